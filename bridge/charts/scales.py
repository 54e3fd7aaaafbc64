"""Readable axes: round values, each with a label of its own. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.charts.chart import value_text
from bridge.core.facts import Unit

MOST_TICKS = 5
LARGEST = 1e15  # beyond it nothing is measured, and a float holds no room for an axis
SMALLEST = 1e-12  # and what is less is zero
FLATTEST = 0.2  # of the largest value: a line that moves less is nearly flat, and is shown so
#: Steps in hours and minutes rather than in hundreds of seconds.
_TIMES = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)


@dataclass(frozen=True, slots=True)
class Axis:
    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]


def value_axis(values: Sequence[float], unit: Unit) -> Axis:
    """Room for all the values, from zero where that still shows how they move."""
    low, high = _room(values)
    for step in _steps(high - low, unit):
        first, last = math.floor(low / step), math.ceil(high / step)
        if last - first >= MOST_TICKS:
            continue
        ticks = tuple(float(f"{each * step:.12g}") for each in range(first, last + 1))
        labels = tuple(label(tick, unit) for tick in ticks)
        if len(set(labels)) == len(labels):
            return Axis(ticks[0], ticks[-1], ticks, labels)
    return Axis(low, high, (low, high), (label(low, unit), label(high, unit)))


def time_ticks(start: float, end: float, most: int = 6) -> tuple[float, ...]:
    """Round times in UTC, as Unix seconds."""
    seconds = next(
        (m * 60 for m in _MINUTES if (end - start) / (m * 60) <= most), 86400 * math.ceil((end - start) / 86400 / most)
    )
    first = math.ceil(start / seconds)
    return tuple(float(each * seconds) for each in range(first, int(end // seconds) + 1))


def within(value: float) -> float:
    """The value, or the largest that an axis has room for."""
    return max(-LARGEST, min(LARGEST, value))


def label(value: float, unit: Unit) -> str:
    """As everywhere in the bridge; numbers too long for an axis in scientific notation."""
    text = value_text(value, unit)
    return text if len(text) <= 10 else f"{value:.0e}".replace("e+", "e")


def _room(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    if size < SMALLEST:
        return 0.0, 1.0
    if low >= 0 and high - low > 0.4 * high:
        return 0.0, high + 0.04 * high
    if high <= 0 and high - low > 0.4 * -low:
        return low + 0.04 * low, 0.0
    margin = max((FLATTEST * size - (high - low)) / 2, 0.08 * (high - low))
    return low - margin, high + margin


def _steps(span: float, unit: Unit) -> list[float]:
    """Fine to coarse."""
    if unit is Unit.SECONDS and span > 90:
        days = [86400.0 * each for each in (1, 2, 5)]
        decades = range(math.floor(math.log10(max(span / 86400, 1))) + 1)
        return [*map(float, _TIMES), *(day * 10.0**decade for decade in decades for day in days)]
    start = math.floor(math.log10(span)) - 1
    steps = [digit * 10.0**power for power in range(start, start + 4) for digit in (1.0, 2.0, 5.0)]
    return steps if unit is not Unit.COUNT else [step for step in steps if step >= 1] or [1.0]


def thinned(points: Sequence[tuple[float, float]], most: int = 1200) -> list[tuple[float, float]]:
    """At most so many points, with each stretch's lowest and highest: no peak is lost."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / (most // 2))
    kept: list[tuple[float, float]] = []
    for begin in range(0, len(points), size):
        stretch = points[begin : begin + size]
        extremes = {min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])}
        kept.extend(sorted(extremes))
    return kept
