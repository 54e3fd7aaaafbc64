"""A delivery: the pair (incident, target), the revision that the target shows and the one that it should show. Pure.

Invariant: `sent` is never more than `wanted`; a resolve never precedes its trigger; only the lease's holder settles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.core.delivery.failures import STUCK_FROM
from bridge.core.errors import Reason
from bridge.core.model import Target
from bridge.core.replacing import replace
from bridge.core.timeline import Entry, EntryKind

Key = tuple[int, str, str]  #: incident number, channel, recipient
#: Why a delivery was skipped, for its timeline entry and its status.
ENDED = "ended before it was delivered"


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What a target should show once a change is stored. A quiet change is not sent to a target of loud ones."""

    target: Target
    firing: bool
    loud: bool
    muted_until: datetime | None = None
    muted_by: str | None = None


@dataclass(frozen=True)  # without slots: see bridge.core.replacing
class Delivery:
    """The desired state of one target, how far it got, and who is trying."""

    incident_number: int
    target: Target
    rank: int  #: of the incident's severity: the order of claims
    firing: bool  #: what the target should show of the alerts that are routed to it
    wanted: int  #: the revision that the target should show
    wanted_at: datetime  #: when the oldest change that it does not show was accepted
    changed_at: datetime  #: when the newest change that it should show was accepted
    due_at: datetime  #: when it may be tried
    pending: bool = True  #: something is to be sent
    muted_by: str = ""  #: the mute interval that deferred it
    sent: int = 0  #: the revision that the target shows; 0 is nothing yet
    sent_at: datetime | None = None
    handle: Mapping[str, Any] = field(default_factory=dict)  #: what the channel's last receipt said
    lease: str | None = None  #: the token of the claim that is being tried
    lease_until: datetime | None = None
    in_flight: bool = False  #: a try may have arrived without our knowing
    attempted_at: datetime | None = None  #: start of that try
    attempts: int = 0  #: tries since the last success
    shrink: bool = False  #: the vendor refused the full message: send the smallest
    frozen_revision: int | None = None  #: of the bytes of a mail that are stored for its next try
    failed_at: datetime | None = None  #: when the try began that failed last, for a reason that may be its own
    alone: int = 0  #: how often it failed while others of its channel got through
    last_error: str = ""  #: "server: HTTP 503"
    dead: bool = False  #: given up
    dead_reason: Reason | None = None  #: None of a dead letter: unknown
    dead_at: datetime | None = None  #: when it was given up; None of a dead letter: unknown
    refused: str = ""  #: what the vendor refused, as far as it was composed; without secrets

    @property
    def key(self) -> Key:
        return self.incident_number, self.target.channel, self.target.recipient

    @property
    def unnotified(self) -> bool:
        """The trigger was never delivered, nor may it have arrived, nor did a part of it."""
        return not (self.sent or self.in_flight or self.handle)

    @property
    def is_over_unnotified(self) -> bool:
        """Skip the resolve if the trigger was never delivered."""
        return not self.firing and self.unnotified

    @property
    def is_skipped(self) -> bool:
        """Nothing is to be sent of it, for it is over and its target was never notified."""
        return self.is_over_unnotified and not self.pending and not self.dead

    @property
    def waits_unnotified(self) -> bool:
        """A trigger waits to be sent, and its target knows nothing of the incident: a storm may suppress it."""
        return self.pending and self.firing and self.unnotified

    @property
    def is_stuck(self) -> bool:
        """It cannot be delivered, or fails so often alone that a fallback need not wait."""
        return self.dead or self.alone >= STUCK_FROM

    def entry(self, kind: EntryKind, text: str, now: datetime) -> Entry:
        """A line for the incident's timeline."""
        return Entry(now, kind, str(self.target), text, self.wanted)


def skip(delivery: Delivery) -> Delivery:
    """Nothing is to be sent of what is over: its target was never notified."""
    return replace(
        delivery, firing=False, pending=False, muted_by="", attempts=0, last_error="",
        dead=False, dead_reason=None, dead_at=None,
    )  # fmt: skip
