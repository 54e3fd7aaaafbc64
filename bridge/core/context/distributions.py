"""Compares two histograms: current values with those of training or the usual ones. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from bridge.core.context.enrichment import Sample

MAX_BINS = 20
LE = "le"
EMPTY = 1e-9  # a smaller share is rounding error


@dataclass(frozen=True, slots=True)
class Bin:
    """Values above `above` and up to `up_to` (either may be infinite); the shares are ratios of the whole."""

    above: float
    up_to: float
    share: float
    baseline: float | None  #: None when there is no baseline


def bins_of(now: Iterable[Sample], baseline: Iterable[Sample] = (), bound: str = LE) -> tuple[Bin, ...]:
    """Bins from cumulative samples by upper bound: counts, rates or a CDF; each is divided by its largest.

    The bound is the label `le`, as in any histogram; the baseline may use another label.
    Only bounds that both have are used, for which cumulative values are exact. Empty when `now` has no values.
    """
    current, usual = _cumulative(now, LE), _cumulative(baseline, bound)
    bounds = sorted(set(current) & set(usual)) if usual else sorted(current)
    if not bounds or not current:
        return ()
    bounds = bounds[:: math.ceil(len(bounds) / MAX_BINS)] if len(bounds) > MAX_BINS else bounds
    bounds = bounds if math.isclose(current[bounds[-1]], 1.0) else [*bounds, max(current)]
    usual = {**usual, **{bound: 1.0 for bound in bounds if usual and bound not in usual}}
    below = [-math.inf, *bounds[:-1]]
    return _without_empty_ends(
        Bin(low, high, _between(current, low, high), _between(usual, low, high) if usual else None)
        for low, high in zip(below, bounds, strict=True)
    )


def largest_difference(bins: Iterable[Bin]) -> float:
    """Kolmogorov-Smirnov: the largest difference of the two cumulative shares; 0: equal, 1: disjoint."""
    total, largest = 0.0, 0.0
    for each in bins:
        total += each.share - (each.baseline if each.baseline is not None else each.share)
        largest = max(largest, abs(total))
    return largest


def _cumulative(samples: Iterable[Sample], label: str) -> dict[float, float]:
    """Bound -> share up to it; empty without a positive, finite whole."""
    found: dict[float, float] = {}
    for sample in samples:
        try:
            bound = float(sample.labels.get(label, ""))
        except ValueError:
            continue
        if math.isfinite(sample.value) and not math.isnan(bound):
            found[bound] = max(sample.value, found.get(bound, 0.0))
    whole = max(found.values(), default=0.0)
    if whole <= 0:
        return {}
    shares, highest = {}, 0.0
    for bound in sorted(found):  # pods are scraped at different moments, so a sum may decrease a little
        highest = max(highest, found[bound] / whole)
        shares[bound] = highest
    return shares


def _without_empty_ends(bins: Iterable[Bin]) -> tuple[Bin, ...]:
    every = list(bins)
    full = [at for at, each in enumerate(every) if each.share > EMPTY or (each.baseline or 0.0) > EMPTY]
    return tuple(every[full[0] : full[-1] + 1]) if full else ()


def _between(cumulative: dict[float, float], low: float, high: float) -> float:
    return max(0.0, cumulative[high] - (cumulative[low] if low > -math.inf else 0.0))
