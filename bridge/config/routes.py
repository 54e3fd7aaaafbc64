"""The settings of `route` and `time_intervals`, and the tree that they make."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from bridge.config.document import Document
from bridge.config.faults import Path, format_path
from bridge.config.fields import (
    DaysOfMonth,
    Duration,
    Line,
    Matchers,
    Months,
    Section,
    Weekdays,
    Written,
    Years,
    checked,
    described,
)
from bridge.core.routing.time_intervals import NamedIntervals, TimeInterval, TimeRange, parse_time_range, zone
from bridge.core.routing.tree import Escalation, Route


class EscalationSettings(Section):
    after: Duration
    """How long after the incident opened."""
    notify: Annotated[tuple[str, ...], Field(min_length=1)]
    """The channels that are notified too, unless it is acknowledged or over by then."""

    def step(self) -> Escalation:
        return Escalation(self.after, self.notify)


class RouteNode(Section):
    matchers: Matchers = ()
    """Which alerts it takes, as in Alertmanager; all must hold."""
    notify: tuple[str, ...] | None = None
    """Names of channels; without it, the parent's."""
    routes: tuple[RouteNode, ...] = ()
    """The routes below it; the first that matches takes the alert."""
    continue_: bool = Field(default=False, alias="continue")
    """true: later routes may have the alert too."""
    fallback: tuple[str, ...] | None = None
    """Channels that are notified when one of notify cannot deliver; without it, the parent's."""
    fallback_after: Duration | None = None
    """How long a channel may fail before that; without it, the parent's, else incidents.fallback_after."""
    escalate: tuple[Annotated[Escalation, Written(EscalationSettings, EscalationSettings.step)], ...] | None = None
    """Who is notified too without an acknowledgement; without it, the parent's."""
    mute_time_intervals: tuple[str, ...] = ()
    """Names of time intervals in which a new alert waits; it is sent afterwards if it still matters."""
    active_time_intervals: tuple[str, ...] = ()
    """Names of time intervals outside which a new alert waits."""
    template: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=63)] | None = None
    """A folder in templates whose files are used for its incidents; without it, the parent's."""


class Times(Section):
    start_time: str
    """From this time of day, HH:MM."""
    end_time: str
    """Up to this time of day, HH:MM; 24:00 is the end of the day."""

    def range(self) -> TimeRange:
        return parse_time_range(self.start_time, self.end_time)


_NotEmpty = Field(default=None, min_length=1)


class Interval(Section):
    times: tuple[Annotated[TimeRange, Written(Times, Times.range)], ...] | None = _NotEmpty
    """Times of day; without it, the whole day."""
    weekdays: tuple[Weekdays, ...] | None = _NotEmpty
    """Days such as monday or monday:friday; without it, all."""
    days_of_month: tuple[DaysOfMonth, ...] | None = _NotEmpty
    """Days such as 1, 1:5 or -3:-1, counted from the end; without it, all."""
    months: tuple[Months, ...] | None = _NotEmpty
    """Months such as december, 12 or january:march; without it, all."""
    years: tuple[Years, ...] | None = _NotEmpty
    """Years such as 2026 or 2026:2027; without it, all."""
    location: Annotated[str, checked(zone), described("Europe/Berlin", "an IANA time zone")] = "UTC"
    """The time zone, as Europe/Berlin."""

    def interval(self) -> TimeInterval:
        given: dict[str, Any] = {name: value for name, value in self if value is not None}
        return TimeInterval(**given)


class TimeIntervalEntry(Section):
    name: Line
    """How routes name it."""
    time_intervals: Annotated[
        tuple[Annotated[TimeInterval, Written(Interval, Interval.interval)], ...], Field(min_length=1)
    ]
    """When it is; any of them is enough."""

    def named(self) -> NamedIntervals:
        return NamedIntervals(self.name, self.time_intervals)


def route_tree(
    node: RouteNode, document: Document, intervals: Mapping[str, NamedIntervals], fallback_after: timedelta
) -> Route:
    """With intervals for their names, and each route's place in the file. fallback_after: when the root has none."""
    own = fallback_after if node.fallback_after is None else node.fallback_after
    return _route(node.model_copy(update={"fallback_after": own}), document, ("route",), intervals)


def _route(node: RouteNode, document: Document, path: Path, intervals: Mapping[str, NamedIntervals]) -> Route:
    return Route(
        matchers=node.matchers,
        notify=node.notify,
        routes=tuple(
            _route(child, document, (*path, "routes", index), intervals) for index, child in enumerate(node.routes)
        ),
        continue_=node.continue_,
        fallback=node.fallback,
        fallback_after=node.fallback_after,
        escalate=node.escalate,
        mute=tuple(intervals[name] for name in node.mute_time_intervals),
        active=tuple(intervals[name] for name in node.active_time_intervals),
        template=node.template,
        path=format_path(path),
        line=document.line(path),
    )
