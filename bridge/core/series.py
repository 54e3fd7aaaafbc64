"""Values over time: what is asked for a picture, and what comes back. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.model import Incident
from bridge.core.periods import firing_period

BEFORE, AFTER = timedelta(hours=2), timedelta(hours=3)
POINTS = 150  # a line 640 px wide shows no more
FINEST = timedelta(seconds=15)
_SEPARATED = re.compile(r".{5,}[-_./ :]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, both ends included."""

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


def span_around(incident: Incident, now: datetime) -> Span:
    """From two hours before the first alert's start to now, but no more than three hours after it."""
    start = started(incident)
    return Span(start - BEFORE, max(start, min(now, start + AFTER)))


def started(incident: Incident) -> datetime:
    return firing_period(incident).started_at


def range_query(expr: str, span: Span) -> RangeQuery:
    """With a step that gives about 150 points, in multiples of 15 s, so that the same is asked again alike."""
    fine = FINEST.total_seconds()
    step = timedelta(seconds=max(1, math.ceil(span.seconds / POINTS / fine)) * fine)
    aligned = [datetime.fromtimestamp(t // fine * fine, span.start.tzinfo) for t in _timestamps(span)]
    return RangeQuery(expr, Span(*aligned), step)


def belonging(series: Iterable[Series], alerts: Sequence[Mapping[str, str]]) -> tuple[Series, ...]:
    """Those of the alerts, given by their labels: an alert has all the labels of the series that fires it.

    All of them when none belongs: a rule or Alertmanager's relabelling may have changed the alert's labels.
    """
    every = tuple(series)
    mine = tuple(each for each in every if any(_agree(each.labels, labels) for labels in alerts))
    return mine or every


def names_of(series: Sequence[Series]) -> list[str]:
    """What tells them apart: the values of the labels in which they differ; nothing for a single one.

    A long beginning that all share, as pods of one deployment do, is left out: `…x7kq2`.
    """
    if len(series) < 2:
        return ["" for _ in series]
    keys = sorted({key for each in series for key in each.labels} - {"__name__"})
    telling = [key for key in keys if len({each.labels.get(key, "") for each in series}) > 1]
    names = [" ".join(filter(None, (each.labels.get(key, "") for key in telling))) or "(none)" for each in series]
    shared = _SEPARATED.match(_beginning(names))
    return [f"…{name[shared.end() :]}" for name in names] if shared else names


def _beginning(names: Sequence[str]) -> str:
    """What all of them begin with."""
    first, last = min(names), max(names)
    same = (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(same, min(len(first), len(last)))]


def _agree(series: Mapping[str, str], alert: Mapping[str, str]) -> bool:
    return all(alert.get(name) == value for name, value in series.items() if name != "__name__")


def _timestamps(span: Span) -> tuple[float, float]:
    return span.start.timestamp(), span.end.timestamp()
