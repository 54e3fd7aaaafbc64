"""What a classifier says and what it is. Frozen values, standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Label = Literal["toxic", "non_toxic"]
ConfidenceLevel = Literal["high", "medium", "low"]

#: From this probability on a text is called toxic.
THRESHOLD = 0.5
#: Confidences from which on a prediction counts as high, as medium; below is low.
HIGH, MEDIUM = 0.85, 0.6
#: Upper bounds of the confidence histogram. The baseline of every version is a CDF at exactly these bounds, because the
#: drift score compares it with the histogram's cumulative buckets.
CONFIDENCE_BOUNDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One text's verdict. `probability` (0 to 1) is that of toxic; `tokens` counts before truncation."""

    label: Label
    probability: float
    tokens: int
    truncated: bool

    @classmethod
    def of(cls, probability: float, tokens: int, *, truncated: bool) -> Prediction:
        label: Label = "toxic" if probability >= THRESHOLD else "non_toxic"
        return cls(label, probability, tokens, truncated)

    @property
    def confidence(self) -> float:
        """0.5 (a coin's toss) to 1."""
        return max(self.probability, 1.0 - self.probability)

    @property
    def confidence_level(self) -> ConfidenceLevel:
        if self.confidence >= HIGH:
            return "high"
        return "medium" if self.confidence >= MEDIUM else "low"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a loaded model.

    `baseline` holds (upper bound, share of confidences at or below it), rising to (1.0, 1.0); it is empty for a model
    that came without one, and then no drift can be measured.
    """

    name: str
    version: str
    framework: str
    quantization: str
    max_tokens: int
    baseline: tuple[tuple[float, float], ...]


class Classifier(Protocol):
    """A loaded model; `predict` may be called from many threads at once."""

    @property
    def info(self) -> ModelInfo: ...

    def predict(self, texts: Sequence[str]) -> list[Prediction]: ...
