"""From sentences to a version: fit on the training part, judge on the held-out part, write the folder.

Invariant: what is written can be loaded as it is; the judged head is the written one, rounding included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bert_api import corpus
from bert_api.corpus import Sentence
from bert_api.model import head, manifest
from bert_api.model.encoder import GRAPH, MAX_TOKENS, TOKENIZER, Encoder
from bert_api.model.head import Head
from bert_api.model.manifest import Manifest
from bert_api.training import judging
from bert_api.training.fitting import STRENGTHS, Fitted, fit
from bert_api.training.judging import Scores

NAME = "minilm-toxicity"
#: What runs it; the exact release is pinned in requirements.txt.
FRAMEWORK = "onnxruntime"
QUANTIZATION = "int8-dynamic-per-channel-reduced-range"


@dataclass(frozen=True)
class Part:
    """Sentences and their embeddings, row by row."""

    sentences: Sequence[Sentence]
    embeddings: NDArray[np.float32]


@dataclass(frozen=True)
class Trained:
    """A head that waits for a version's number."""

    fitted: Fitted
    held_out: Scores
    baseline: tuple[tuple[float, float], ...]
    trained_on: Sequence[Sentence]


def embed(encoder: Encoder, sentences: Sequence[Sentence], layers: Sequence[str]) -> Part:
    return Part(sentences, encoder.embed(encoder.tokenize([one.text for one in sentences]), layers))


def train(train_part: Part, held_out: Part, layers: tuple[str, ...], strengths: Sequence[float] = STRENGTHS) -> Trained:
    fitted = fit(train_part.embeddings, train_part.sentences, layers, strengths)
    return Trained(
        fitted=fitted,
        held_out=score(fitted.head, held_out),
        baseline=judging.baseline(fitted.out_of_fold, train_part.sentences),
        trained_on=train_part.sentences,
    )


def score(judged: Head, part: Part) -> Scores:
    return judging.judge(judged.probabilities(part.embeddings), part.sentences)


def write(trained: Trained, version: str, encoder_folder: Path, folder: Path, **metrics: Scores) -> None:
    """Fills an existing folder. metrics: scores beyond the held-out part's, by the name they get in model.json."""
    trained.fitted.head.write(folder)
    described = Manifest(
        version=version,
        name=NAME,
        framework=FRAMEWORK,
        quantization=QUANTIZATION,
        max_tokens=MAX_TOKENS,
        baseline=trained.baseline,
        files={head.HEAD: manifest.sha256(folder / head.HEAD)},
        encoder_files={name: manifest.sha256(encoder_folder / name) for name in (GRAPH, TOKENIZER)},
        training=_training(trained),
        metrics={name: scores.summary() for name, scores in {"held_out": trained.held_out, **metrics}.items()},
    )
    described.write(folder)


def _training(trained: Trained) -> dict[str, object]:
    sentences = trained.trained_on
    return {
        "digest": corpus.digest(sentences),
        "sentences": len(sentences),
        "feedback": sum(one.origin == "feedback" for one in sentences),
        "layers": trained.fitted.head.layers,
        "strength": trained.fitted.strength,
        "calibration_slope": round(trained.fitted.slope, 4),
        "reference_toxic_share": judging.REFERENCE_TOXIC_SHARE,
    }
