"""The head: a calibrated logistic regression on sentence embeddings, kept as plain JSON.

Invariant: data, never code; nothing that could run anything is unpickled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bert_api.model.errors import ModelLoadError

HEAD = "head.json"


@dataclass(frozen=True)
class Head:
    """The logit is weights . embedding + bias, calibration included.

    layers: whose vectors, side by side, the embedding is; weights: one a dimension of it.
    """

    layers: tuple[str, ...]
    weights: NDArray[np.float64]
    bias: float

    def probabilities(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of toxic, 0 to 1; one a row of embeddings."""
        # Row by row: a matrix product of more rows adds in another order, and the last digit would differ.
        return sigmoid((embeddings.astype(np.float64) * self.weights).sum(axis=1) + self.bias)

    def write(self, folder: Path) -> None:
        weights = [round(float(weight), 6) for weight in self.weights]
        document = {"layers": self.layers, "bias": round(self.bias, 6), "weights": weights}
        (folder / HEAD).write_text(json.dumps(document) + "\n", encoding="utf-8")


def read(folder: Path) -> Head:
    """Raises ModelLoadError if head.json is missing or is not one list of finite weights and a bias."""
    path = folder / HEAD
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        layers = tuple(str(layer) for layer in document["layers"])
        head = Head(layers, np.asarray(document["weights"], dtype=np.float64), float(document["bias"]))
        if head.weights.ndim != 1 or not np.isfinite(np.append(head.weights, head.bias)).all():
            raise ValueError("weights must be one list of finite numbers")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelLoadError(f"{path} is not a head: {error}. Retrain or restore the version.") from error
    return head


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without overflow on either side."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))
