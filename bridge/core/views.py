"""The pages' side of the store: what people and probes see of incidents, deliveries and the bridge's health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bridge.core.dead_letters import DeadLetter, Which
from bridge.core.facts import Context
from bridge.core.model import Entry, Incident


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One delivery as people see it. status: delivered | skipped | pending | sending | held | dead."""

    channel: str
    recipient: str
    status: str
    wanted: int
    sent: int
    attempts: int
    due_at: datetime | None
    why: str  #: why it is held, what will happen next, or why it is told at all
    last_error: str
    sent_at: datetime | None
    refused: str = ""  #: what the vendor did not take, while it is dead


@dataclass(frozen=True, slots=True)
class Health:
    """What readiness and /metrics need to know, read from the store in one go. Keys are (channel, ...)."""

    pending: Mapping[tuple[str, str], int]  #: (channel, severity) -> deliveries waiting
    dead: Mapping[str, int]
    overdue_seconds: Mapping[str, float]  #: by channel: how long ago the oldest waiting change was due; 0 if none
    paused: Mapping[str, str]  #: channel -> why it is paused, or probed because its vendor fails
    open_incidents: Mapping[str, int]  #: by severity
    worker_seen_seconds: float | None  #: since a worker last wrote that it lives; None: never
    heartbeat_seconds: Mapping[str, float] = field(default_factory=dict)  #: by name: since it was heard
    flapping_incidents: int = 0
    expired_lease_seconds: Mapping[str, float] = field(default_factory=dict)  #: by channel: the oldest that none took
    alone: Mapping[str, int] = field(default_factory=dict)  #: by channel: deliveries that fail while others get through
    storms: Mapping[str, int] = field(default_factory=dict)  #: channel that storms -> incidents told in its digest only


class Reader(Protocol):
    """The pages' side of the store."""

    def list_incidents(self, *, resolved: bool | None = None, limit: int = 100) -> list[Incident]:
        """Newest change first, without their alerts. resolved None means both."""
        ...

    def held_in_storm(self, channel: str, now: datetime) -> list[Incident]:
        """What the digest of this channel stands for, the most severe first, without their alerts; the first 1000."""
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
        """What was learned when the incident was told last."""
        ...

    def dead_letters(self, which: Which, limit: int = 1000) -> list[DeadLetter]: ...

    def health(self, now: datetime) -> Health: ...
