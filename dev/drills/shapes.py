"""How values are spread: buckets of log-normal times and lengths, and of the model's confidence."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

PROCESSING = (0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)
QUEUE = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
HTTP = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0)
TOKENS = (8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
CONFIDENCE = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0)
#: shares up to these bounds, as the bundled model has them in training, and for texts that it does not know
TRAINED = (0.0, 0.03, 0.055, 0.08, 0.115, 0.15, 0.185, 0.23, 0.30, 0.41, 0.66, 1.0)
UNSURE = (0.0, 0.55, 0.90, 0.94, 0.965, 0.98, 0.988, 0.992, 0.995, 0.998, 1.0, 1.0)
SPREAD_TOKENS = 1.0  #: sigma of the logarithm
LONGEST_TOKENS = 256.0  #: what is longer is truncated


@functools.cache
def log_normal(median: float, sigma: float, bounds: tuple[float, ...]) -> tuple[float, ...]:
    """The share in each bucket, the last one without an upper bound."""
    below = [0.5 * (1 + math.erf(math.log(bound / median) / (sigma * math.sqrt(2)))) for bound in bounds]
    return tuple(np.diff([0.0, *below, 1.0]))


def sigma_of(median: float, p95: float) -> float:
    return max(0.05, math.log(max(p95, median * 1.01) / median) / 1.645)


def mean_of(median: float, sigma: float) -> float:
    return median * math.exp(sigma * sigma / 2)


@functools.cache
def confidence(unusual: float) -> tuple[float, ...]:
    """The share in each bucket, the last one (above 1) empty."""
    cumulative = [(1 - unusual) * known + unusual * other for known, other in zip(TRAINED, UNSURE, strict=True)]
    return tuple(np.diff([0.0, *cumulative, 1.0]))


def middle_confidence() -> Floats:
    """Of each bucket; the first and last are empty."""
    edges = (0.5, *CONFIDENCE, 1.0)
    return np.array([(low + high) / 2 for low, high in itertools.pairwise(edges)])
