"""The fit of one head: regularisation by grouped cross-validation, then calibration on what no fold had seen.

Invariant: folds never split a family, so no choice stands on a sentence whose template was trained on.
The only file that knows scikit-learn's estimators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold

from bert_api.corpus import Sentence
from bert_api.model.head import Head, sigmoid

Vector = NDArray[np.float64]
Embeddings = NDArray[np.float32]
#: scikit-learn's C, tried from strong to weak regularisation.
STRENGTHS = (1.0, 3.0, 10.0, 30.0)
#: Fillings of one template say nearly the same, so each counts for less than a hand-written sentence.
WEIGHTS = {"written": 1.0, "feedback": 1.0, "template": 0.2}
FOLDS = 5
#: Weak enough for a slope and an intercept to be free.
_CALIBRATION_STRENGTH = 1e6


@dataclass(frozen=True)
class Fitted:
    """`out_of_fold`: calibrated probabilities of the training sentences, by models that had not seen their families."""

    head: Head
    strength: float
    slope: float
    out_of_fold: Vector


def fit(
    embeddings: Embeddings,
    sentences: Sequence[Sentence],
    layers: tuple[str, ...],
    strengths: Sequence[float] = STRENGTHS,
) -> Fitted:
    """embeddings: a row for each sentence, of those layers."""
    toxic = np.array([one.toxic for one in sentences])
    weights = np.array([WEIGHTS[one.origin] for one in sentences])
    logits = {strength: _out_of_fold(embeddings, sentences, toxic, weights, strength) for strength in strengths}
    losses = {strength: log_loss(toxic, sigmoid(logits[strength]), sample_weight=weights) for strength in strengths}
    strength = min(losses, key=lambda candidate: losses[candidate])
    slope, intercept = _coefficients(logits[strength][:, None], toxic, weights, _CALIBRATION_STRENGTH)
    direction, bias = _coefficients(embeddings, toxic, weights, strength)
    head = Head(layers, direction * slope[0], float(bias * slope[0] + intercept))
    return Fitted(head, strength, float(slope[0]), sigmoid(logits[strength] * slope[0] + intercept))


def _out_of_fold(
    embeddings: Embeddings, sentences: Sequence[Sentence], toxic: NDArray[np.bool_], weights: Vector, strength: float
) -> Vector:
    families = [one.family for one in sentences]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    logits = np.zeros(len(sentences))
    for train, test in folds.split(embeddings, toxic, families):
        direction, bias = _coefficients(embeddings[train], toxic[train], weights[train], strength)
        logits[test] = embeddings[test] @ direction + bias
    return logits


def _coefficients(
    inputs: NDArray[np.floating], toxic: NDArray[np.bool_], weights: Vector, strength: float
) -> tuple[Vector, float]:
    model = LogisticRegression(C=strength, max_iter=5000).fit(inputs.astype(np.float64), toxic, sample_weight=weights)
    return model.coef_[0], float(model.intercept_[0])
