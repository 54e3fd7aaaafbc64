"""Time series: a range query and its result. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Span:
    """A period, both ends included."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """The PromQL, evaluated at each step of a span."""

    expr: str
    span: Span
    step: timedelta


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its labels, and pairs of Unix seconds and value, which may be NaN or infinite, in the order of time."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def finite(self) -> tuple[tuple[float, float], ...]:
        return tuple(point for point in self.points if math.isfinite(point[1]))
