"""The store as the pages read it: incidents, deliveries and the bridge's health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from bridge.core.context.measurements import Measured
from bridge.core.cursors import Page
from bridge.core.delivery.dead_letters import DeadLetter, DeadLetterFilter
from bridge.core.facts import Context
from bridge.core.model import Incident, Severity, State
from bridge.core.recurrence import Recurrence
from bridge.core.routing.matchers import Matcher
from bridge.core.timeline import Entry


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery as shown. status: delivered | skipped | pending | sending | held | dead."""

    channel: str
    recipient: str
    status: str
    wanted: int
    sent: int
    attempts: int
    due_at: datetime | None
    why: str  #: why it is deferred, what happens next, or why it is notified at all
    last_error: str
    sent_at: datetime | None
    refused: str = ""  #: the vendor's error, while it is dead


@dataclass(frozen=True, slots=True)
class Health:
    """What readiness and /metrics need to know, read from the store in one go. Keys are (channel, ...)."""

    pending: Mapping[tuple[str, str], int]  #: (channel, severity) -> deliveries waiting
    dead: Mapping[str, int]
    overdue_seconds: Mapping[str, float]  #: by channel: how long ago the oldest waiting change was due; 0 if none
    paused: Mapping[str, str]  #: channel -> why it is paused, or probed because its vendor fails
    open_incidents: Mapping[str, int]  #: by severity
    worker_seen_seconds: float | None  #: since a worker's last sign of life; None: never
    heartbeat_seconds: Mapping[str, float] = field(default_factory=dict)  #: by name: since it was received
    flapping_incidents: int = 0
    expired_lease_seconds: Mapping[str, float] = field(default_factory=dict)  #: by channel: the oldest not taken over
    alone: Mapping[str, int] = field(default_factory=dict)  #: by channel: deliveries that fail while others succeed
    storms: Mapping[str, int] = field(default_factory=dict)  #: channel that storms -> incidents in its digest only


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Which incidents are asked for; what is empty lets all through."""

    text: str = ""  #: in the title, or in a label or annotation of an alert; whatever the case of ASCII letters
    matchers: tuple[Matcher, ...] = ()  #: one of its alerts satisfies all of them
    severities: frozenset[Severity] = frozenset()
    states: frozenset[State] = frozenset()
    channel: str = ""  #: there is a delivery to it
    source: str = ""
    since: datetime | None = None  #: it was not over yet
    until: datetime | None = None  #: it had begun before
    acknowledged_by: str = ""


EVERY = IncidentFilter()


class Reader(Protocol):
    """The store as the pages read it."""

    def page_of_incidents(
        self,
        *,
        resolved: bool | None = None,
        limit: int = 100,
        after: str | None = None,
        wanted: IncidentFilter = EVERY,
    ) -> Page[Incident]:
        """Without their alerts; resolved None means both. Raises BadCursor.

        Open ones first, by severity, then unacknowledged ones first, then the oldest; then the resolved ones, the
        latest change first.
        """
        ...

    def recently_resolved(self, limit: int) -> Sequence[Incident]:
        """The first of the resolved ones, without their alerts, and without counting how many there are."""
        ...

    def open_counts(self) -> Mapping[Severity, tuple[int, int]]:
        """severity -> (open, of which acknowledged), the most severe first; without severities that have none."""
        ...

    def page_of_held(self, channel: str, now: datetime, limit: int = 1000, after: str | None = None) -> Page[Incident]:
        """The suppressed incidents of this channel, the most severe first, then the oldest, without their alerts.

        Raises BadCursor.
        """
        ...

    def incident(self, number: int) -> Incident | None:
        """None when there is none, however large the number."""
        ...

    def alert_counts(self, numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
        """number -> (firing, all)."""
        ...

    def timeline(self, number: int) -> list[Entry]: ...

    def deliveries(self, number: int) -> list[DeliveryView]: ...

    def context(self, number: int, now: datetime) -> Context | None:
        """The context that the latest notification carried."""
        ...

    def measured(self, number: int, now: datetime) -> Measured:
        """What was measured: the latest values, and those from while it fired."""
        ...

    def recurrence(self, incident: Incident, window: timedelta) -> Recurrence | None:
        """The incidents about the same before this one, five of them described; None when there was none."""
        ...

    def page_of_dead_letters(
        self, wanted: DeadLetterFilter, limit: int = 1000, after: str | None = None
    ) -> Page[DeadLetter]:
        """The oldest first. Raises BadCursor."""
        ...

    def health(self, now: datetime) -> Health: ...
