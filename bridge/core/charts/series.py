"""Time series for a chart: the range query and its result. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from bridge.core.context.series import RangeQuery, Series, Span
from bridge.core.incidents.periods import firing_period
from bridge.core.model import Incident

#: The least shown before the start of an open and of a resolved incident.
BEFORE, BEFORE_OVER = timedelta(minutes=30), timedelta(minutes=5)
#: Longer incidents show a quarter of their length before the start, shorter ones their whole length.
LONG = timedelta(hours=1)
LONGEST = timedelta(days=30)  #: of longer ones only the end is shown
POINTS = 150  # as many as a line 640 px wide shows
_STEPS = (1, 2, 5, 10, 15)  # seconds; above, multiples of the last
_SEPARATED = re.compile(r".{5,}[-_./ :]", re.DOTALL)


def span_around(incident: Incident, now: datetime) -> Span:
    """The span to show: the whole incident, and before it a time that depends on its length.

    After the end a tenth of its length is shown, between a minute and an hour, but nothing after `now`.
    """
    start, end = started(incident), ended(incident)
    lasted = max(timedelta(0), (end or now) - start)
    least = BEFORE if end is None else BEFORE_OVER
    before = max(least, min(lasted, max(LONG, lasted / 4)))
    after = min(max(lasted / 10, timedelta(minutes=1)), LONG)
    last = max(start, now if end is None else min(now, end + after))
    return Span(max(start - before, last - LONGEST), last)


def started(incident: Incident) -> datetime:
    """When the outbreak began, or when the incident was opened if that is earlier, as after a reopening."""
    return min(firing_period(incident).started_at, incident.opened_at)


def ended(incident: Incident) -> datetime | None:
    """None while it is open."""
    return firing_period(incident).ended_at


def range_query(expr: str, span: Span) -> RangeQuery:
    """With a step for about 150 points, aligned to multiples of up to 15 s so that repeated queries are equal."""
    wanted, coarse = span.seconds / POINTS, _STEPS[-1]
    step = next((each for each in _STEPS if wanted <= each), math.ceil(wanted / coarse) * coarse)
    fine = min(step, coarse)
    aligned = [datetime.fromtimestamp(t // fine * fine, span.start.tzinfo) for t in _timestamps(span)]
    return RangeQuery(expr, Span(*aligned), timedelta(seconds=step))


def belonging(series: Iterable[Series], alerts: Sequence[Mapping[str, str]]) -> tuple[Series, ...]:
    """The series of the alerts, given by their labels: an alert has all the labels of its series.

    All of them when none matches: a rule or Alertmanager's relabelling may have changed the alert's labels.
    """
    every = tuple(series)
    mine = tuple(each for each in every if any(_agree(each.labels, labels) for labels in alerts))
    return mine or every


def names_of(series: Sequence[Series]) -> list[str]:
    """Names made of the labels in which the series differ; empty for a single one.

    A long common prefix, such as a deployment's name in pods, is left out: `…x7kq2`.
    """
    if len(series) < 2:
        return ["" for _ in series]
    keys = sorted({key for each in series for key in each.labels} - {"__name__"})
    differing = [key for key in keys if len({each.labels.get(key, "") for each in series}) > 1]
    names = [" ".join(filter(None, (each.labels.get(key, "") for key in differing))) or "(none)" for each in series]
    shared = _SEPARATED.match(_common_prefix(names))
    return [f"…{name[shared.end() :]}" for name in names] if shared else names


def _common_prefix(names: Sequence[str]) -> str:
    """The longest common prefix."""
    first, last = min(names), max(names)
    same = (at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(same, min(len(first), len(last)))]


def _agree(series: Mapping[str, str], alert: Mapping[str, str]) -> bool:
    return all(alert.get(name) == value for name, value in series.items() if name != "__name__")


def _timestamps(span: Span) -> tuple[float, float]:
    return span.start.timestamp(), span.end.timestamp()
