"""What the drivers need of the adapters: Protocols, and the values that cross them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from bridge.core.cursors import Page
from bridge.core.errors import Reason
from bridge.core.facts import ChangeEvent, Measurements
from bridge.core.model import Group, Incident, State, Target
from bridge.core.timeline import Entry

if TYPE_CHECKING:
    from concurrent.futures import Future

Handle = Mapping[str, Any]  #: what a channel keeps of a message that it sent: how to find it again


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased delivery: this worker, and no other until the lease ends, brings the target to `revision`.

    All of it is what one transaction saw, the one that leased: whatever changes later is another revision, and another
    claim.
    """

    incident: Incident  #: with its alerts
    target: Target
    lease: str
    revision: int  #: what the target shows once this has arrived: the incident's, or that of the frozen bytes
    sent: int  #: the revision that it shows; 0 is nothing yet
    firing: bool  #: what the target should show of the alerts that are routed to it
    attempts: int  #: tries since the last success, this one not counted
    unknown: bool  #: an earlier try may have arrived without our knowing
    shrink: bool  #: the vendor refused the full message: send the smallest
    wanted_at: datetime  #: when the oldest change that it does not show was accepted
    attempted_at: datetime | None  #: start of the earlier try that is unknown
    handle: Mapping[str, Any] = field(default_factory=dict)  #: what the channel's last receipt said
    frozen: bytes | None = None  #: the bytes of the unknown try, if nothing newer is to be shown
    tried: bytes | None = None  #: the bytes of the unknown try, whatever their revision
    other_handle: Mapping[str, Any] = field(default_factory=dict)  #: of another incident; for an unknown first try
    news: tuple[Entry, ...] = ()  #: the incident's loud entries and notes, the oldest first
    claimed_at: datetime | None = None  #: when this try began
    failed_at: datetime | None = None  #: when an earlier try began that failed, for a reason that may be its own
    alone: int = 0  #: how often it failed while others of its channel got through
    doubtful: bool = False  #: it failed before, or another target of its incident did: it may hang again

    @property
    def incident_number(self) -> int:
        return self.incident.number


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert as messages show it; texts are clean but not escaped: escaping belongs to the channel."""

    name: str
    status: str
    severity: str
    summary: str
    description: str
    labels: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    muted: str = ""  #: "silenced by alice until 14:00 UTC"; empty when it is not
    notice: bool = False  #: severity info: it is reported and ends, and does not fire


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    href: str  #: http or https only


@dataclass(frozen=True, slots=True)
class Illustration:
    """A picture as a message carries it."""

    title: str
    alt: str  #: the same in words
    png: bytes
    url: str | None  #: a signed link that ends by itself; None where there is no public address


@dataclass(frozen=True, slots=True)
class Message:
    """One incident as users should see it now: the one view model behind every channel's rendering."""

    number: int
    uid: str
    dedup_key: str
    title: str  #: the alert's name and where; of a group that no alertname makes, it follows its alerts
    summary: str  #: one line that reads well aloud; changes with the state
    state: State
    severity: str
    firing: bool  #: for this target: anything routed to it still fires
    revision: int
    source: str
    component: str
    group: str
    alertname: str
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    acknowledged_by: str | None
    firing_count: int
    resolved_count: int
    truncated: int
    alerts: tuple[AlertLine, ...]  #: firing and most severe first; the first ones only
    hidden: int  #: how many more alerts there are
    links: tuple[Link, ...]
    incident_url: str | None
    news: tuple[Entry, ...]  #: loud timeline entries since the revision that the target shows
    text: str  #: body in plain text
    html: str  #: body in HTML; empty unless asked for
    context: Measurements | None = None  #: what was measured for it; None when nothing was to be asked
    pictures: tuple[Illustration, ...] = ()  #: those that were ready in time
    flapping: str = ""  #: "4 times in 21 min" while it begins and ends again and again
    informational: bool = False  #: nothing is wrong, and was not: all its alerts are of severity info
    started_at: datetime | None = None  #: of the newest outbreak, by its alerts; None is opened_at
    ended_at: datetime | None = None  #: None while it fires, for this target
    lasted: str = ""  #: "34 min", "at least 34 min": from its start to its end, or so far
    first_step: str = ""  #: of the runbook
    notes: tuple[Entry, ...] = ()  #: what users wrote about it, the oldest first
    last_time: str = ""  #: "4th in 30 days; last #388, 23 min, ended after rollback to 1.0.0 (Ana)"; else empty


@dataclass(frozen=True, slots=True)
class Receipt:
    """The vendor took it. `handle` replaces the delivery's handle. skipped: there was nothing to send.

    unfinished: more is to be sent, and only once this is kept: sending what came before again would be seen."""

    handle: Mapping[str, Any]
    note: str = ""
    skipped: bool = False
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Composed:
    """What would be sent, exactly: a JSON-able value, or the bytes of a mail."""

    content: Any

    @property
    def frozen(self) -> bytes | None:
        return self.content if isinstance(self.content, bytes) else None


class Channel(Protocol):
    """One configured destination. compose is pure; send talks to the vendor once, and never retries by itself."""

    name: str
    kind: str
    freezes: bool  #: composed bytes are stored before they are sent, and sent again unchanged
    edits: bool  #: shows every revision by editing; otherwise only loud changes are sent
    wants_html: bool

    @property
    def recipients(self) -> tuple[str, ...]: ...

    def compose(self, message: Message, claim: Claim) -> Composed: ...

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Sent:
    """Delivered. skipped: there was nothing to send."""

    handle: Mapping[str, Any]
    note: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again; until pause_until the whole channel waits. shrink: next time the smallest message."""

    at: datetime
    reason: Reason
    detail: str
    ambiguous: bool = False
    pause_until: datetime | None = None
    shrink: bool = False
    progress: Mapping[str, Any] | None = None

    @property
    def error(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Dead letter: it can never work as it is. `refused` is the payload that the vendor refused."""

    reason: Reason
    detail: str
    refused: str = ""

    @property
    def error(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Begun:
    """The vendor took a part; what is left is due at once, by another claim."""

    handle: Mapping[str, Any]


Outcome = Sent | RetryAt | GiveUp | Begun


@dataclass(frozen=True, slots=True)
class ChannelCapacity:
    """A channel as the store must know it to hand out claims: how many now, and how fast."""

    channel: str
    limit: int
    per_second: float | None  #: None is unlimited
    burst: int
    lease_seconds: float
    storm_at: int | None = None  #: so many unnotified incidents are a storm; None: it never storms
    doubtful: int | None = None  #: how many of these may be in doubt; None: as core.delivery.failures has it


class Deliveries(Protocol):
    """The worker's side of the store. Calls block; the worker makes them in a thread of their own."""

    @property
    def commits_together(self) -> bool:
        """Whether together() may be used."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """The calls of this thread within are one transaction."""
        ...

    def claim(self, capacities: Sequence[ChannelCapacity], now: datetime) -> list[Claim]: ...

    def incidents(self, numbers: Sequence[int]) -> dict[int, Incident]: ...

    def freeze(self, claims: Sequence[tuple[Claim, bytes]]) -> None:
        """Keep the bytes of mails before they are sent. Raises StoreRefused when one of the leases is lost."""
        ...

    def settle(self, settled: Sequence[tuple[Claim, Outcome]], now: datetime) -> None: ...

    def next_due(self, now: datetime, channels: Sequence[str]) -> datetime | None: ...


class WebhookOutcome(enum.StrEnum):
    """What an accepted group did."""

    OPENED = "opened"
    CHANGED = "changed"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    ENDED = "ended"  #: first received after it had ended
    REMINDER = "reminder"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    HEARTBEAT = "heartbeat"

    @property
    def is_event(self) -> bool:
        """Something happened to an incident."""
        return self not in (WebhookOutcome.DUPLICATE, WebhookOutcome.IGNORED, WebhookOutcome.HEARTBEAT)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The group is on disk."""

    number: int  #: the incident's; 0 when a group without firing alerts opened none
    outcome: WebhookOutcome
    changes: tuple[str, ...] = ()  #: the kinds of the changes that its alerts were the first to announce


class Intake(Protocol):
    """The web's way into the store. Any number of threads may call it; concurrent calls share one commit."""

    def hand_in(self, group: Group) -> Future[Accepted]:
        """Return at once; done when the group is committed, or with StoreUnavailable when it cannot be.

        Raises StoreUnavailable when it need not be tried.
        """
        ...

    def fault(self, seconds: float) -> str:
        """Why nothing can be stored just now; empty when it can. Takes at most so many seconds."""
        ...


class ChangeLog(Protocol):
    """Records what users and machines changed."""

    def record(self, change: ChangeEvent) -> bool:
        """Return once it is committed, else raise StoreUnavailable. False: a change of this id was there already."""
        ...


class Changes(Protocol):
    """What was changed, the newest first."""

    def page_of_changes(self, limit: int = 100, after: str | None = None) -> Page[ChangeEvent]:
        """Raises BadCursor."""
        ...

    def changes_for(self, alerts: Iterable[Mapping[str, str]], since: datetime, until: datetime) -> list[ChangeEvent]:
        """Those from since to until, both included, that concern one of the alerts, given by their labels.

        A change that several sources reported is there once.
        """
        ...


class ChangeStore(ChangeLog, Changes, Protocol): ...


@dataclass(frozen=True, slots=True)
class ChangeClaim:
    """This worker, and no other until the lease ends, sends one change event to one channel."""

    change: ChangeEvent
    channel: str
    attempts: int  #: tries before this one
    shrink: bool = True  #: it is small already, so that nothing smaller could be sent
    alone: int = 0
