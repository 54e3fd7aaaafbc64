"""How good a model is on sentences that it was not trained on, and the baseline of its confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from bert_api.corpus import Sentence
from bert_api.model.prediction import CONFIDENCE_BOUNDS, THRESHOLD
from bert_api.training.fitting import WEIGHTS

Vector = NDArray[np.float64]
#: What the baseline expects of everyday traffic; the corpus itself is nearly half toxic.
REFERENCE_TOXIC_SHARE = 0.1
#: Bins of the reliability table, and of the calibration error computed from it.
_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Of the predictions whose probability fell into one tenth: how many, their mean, and the share really toxic."""

    count: int
    mean_probability: float
    toxic_share: float


@dataclass(frozen=True)
class Scores:
    """Shares and probabilities are 0 to 1. `right`: the share of each category that was labelled correctly."""

    sentences: int
    accuracy: float
    auc: float
    brier: float
    log_loss: float
    calibration_error: float
    mean_confidence: float
    right: dict[str, float]
    reliability: tuple[Bin, ...]

    def summary(self) -> dict[str, Any]:
        """What model.json keeps: everything but the reliability table, rounded to what the sample can tell."""
        numbers = ("accuracy", "auc", "brier", "log_loss", "calibration_error", "mean_confidence")
        rounded = {name: round(getattr(self, name), 4) for name in numbers}
        return {"sentences": self.sentences, **rounded, "right": self.right}


def judge(probabilities: Vector, sentences: Sequence[Sentence]) -> Scores:
    """probabilities: of toxic, one a sentence. Both labels must occur."""
    toxic = np.array([one.toxic for one in sentences])
    table = _reliability(probabilities, toxic)
    return Scores(
        sentences=len(sentences),
        accuracy=float(((probabilities >= THRESHOLD) == toxic).mean()),
        auc=float(roc_auc_score(toxic, probabilities)),
        brier=float(((probabilities - toxic) ** 2).mean()),
        log_loss=float(log_loss(toxic, probabilities)),
        calibration_error=_calibration_error(table),
        mean_confidence=float(_confidence(probabilities).mean()),
        right=_right(probabilities, sentences),
        reliability=table,
    )


def baseline(probabilities: Vector, sentences: Sequence[Sentence]) -> tuple[tuple[float, float], ...]:
    """(upper bound, share of confidences at or below it), of traffic of which REFERENCE_TOXIC_SHARE is toxic.

    probabilities: out of fold, because a model is surer of what it was trained on than of anything it will meet.
    """
    toxic = np.array([one.toxic for one in sentences])
    weights = np.array([WEIGHTS[one.origin] for one in sentences])
    weights[toxic] *= REFERENCE_TOXIC_SHARE / weights[toxic].sum()
    weights[~toxic] *= (1 - REFERENCE_TOXIC_SHARE) / weights[~toxic].sum()
    confidence = _confidence(probabilities)
    shares = [round(float(weights[confidence <= upper].sum()), 6) for upper in CONFIDENCE_BOUNDS[:-1]]
    return tuple(zip(CONFIDENCE_BOUNDS, [*shares, 1.0], strict=True))


def _confidence(probabilities: Vector) -> Vector:
    return np.maximum(probabilities, 1 - probabilities)


def _right(probabilities: Vector, sentences: Sequence[Sentence]) -> dict[str, float]:
    verdicts: dict[str, list[bool]] = {}
    for probability, one in zip(probabilities, sentences, strict=True):
        verdicts.setdefault(one.category, []).append(bool((probability >= THRESHOLD) == one.toxic))
    return {category: round(sum(rights) / len(rights), 3) for category, rights in sorted(verdicts.items())}


def _reliability(probabilities: Vector, toxic: NDArray[np.bool_]) -> tuple[Bin, ...]:
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    return tuple(_bin(probabilities[bins == index], toxic[bins == index]) for index in range(_BINS))


def _bin(probabilities: Vector, toxic: NDArray[np.bool_]) -> Bin:
    if not len(probabilities):
        return Bin(0, 0.0, 0.0)
    return Bin(len(probabilities), round(float(probabilities.mean()), 3), round(float(toxic.mean()), 3))


def _calibration_error(table: Sequence[Bin]) -> float:
    """Expected calibration error: the gap of each bin, weighted by how many fell into it."""
    total = sum(one.count for one in table)
    return sum(one.count * abs(one.mean_probability - one.toxic_share) for one in table) / total
