"""The shape of `route` and `time_intervals` in routes.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from bridge.config.fields import (
    DaysOfMonth,
    Duration,
    Line,
    MatcherText,
    Months,
    Section,
    Weekdays,
    Years,
    checked,
    described,
)
from bridge.core.routing.time_intervals import parse_time_range, zone


class EscalationStep(Section):
    after: Duration
    """How long after the incident opened."""
    notify: Annotated[tuple[str, ...], Field(min_length=1)]
    """The channels that are notified too, unless it is acknowledged or over by then."""


class RouteNode(Section):
    matchers: tuple[MatcherText, ...] = ()
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
    escalate: tuple[EscalationStep, ...] | None = None
    """Who is notified too when nobody acknowledges; without it, the parent's."""
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


def _checked_times(times: Times) -> Times:
    parse_time_range(times.start_time, times.end_time)
    return times


_NotEmpty = Field(default=None, min_length=1)


class Interval(Section):
    times: tuple[Annotated[Times, AfterValidator(_checked_times)], ...] | None = _NotEmpty
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


class TimeIntervalEntry(Section):
    name: Line
    """How routes name it."""
    time_intervals: Annotated[tuple[Interval, ...], Field(min_length=1)]
    """When it is; any of them is enough."""
