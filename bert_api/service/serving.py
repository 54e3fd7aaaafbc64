"""The model that answers now.

Invariant: it is replaced by one assignment, so every request sees one model or another.
"""

from __future__ import annotations

from dataclasses import dataclass

from bert_api.model.classifier import Classifier


@dataclass(frozen=True)
class Served:
    """`loaded_at` in seconds since the epoch."""

    version: str
    classifier: Classifier
    loaded_at: float


class ModelSlot:
    """Empty until the first model has passed its warm-up."""

    def __init__(self) -> None:
        self.served: Served | None = None
