"""The nouns: alert, group, incident, timeline entry, delivery. Frozen values, standard library only.

Invariant: times are aware and in UTC; mappings are never changed after they are made.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bridge.core.timeline import Entry, EntryKind

SOURCE = "bridge"  #: of incidents that the bridge opens by itself


class Severity(enum.StrEnum):
    """How bad, most severe first. UNKNOWN is any other word: it ranks as a warning does."""

    CRITICAL = "critical"
    WARNING = "warning"
    UNKNOWN = "unknown"
    INFO = "info"
    NONE = "none"

    @property
    def rank(self) -> int:
        """0 is the most severe."""
        return _RANKS[self]

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Severity:
        """From canonical labels; an alert without the label is of severity none."""
        word = labels.get("severity", "none")
        return cls(word) if word in cls._value2member_map_ else cls.UNKNOWN


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Status(enum.StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True)  # without slots: see bridge.core.replacing
class Alert:
    """One labelled alert. ends_at is the latest end that was reported; the alert fires while it started after that."""

    fingerprint: str
    status: Status
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None = None
    generator_url: str = ""
    severity: Severity = Severity.NONE  #: set when it is received, by the configured label and aliases
    ended_seen_at: datetime | None = None  #: when the bridge learned of the end
    muted: str = ""  #: why the source sends no notification of it: "silenced by alice until 14:00 UTC"
    deferred: bool = False  #: it has ended, and its end is deferred since its incident flaps

    @property
    def firing(self) -> bool:
        return self.status is Status.FIRING

    @property
    def shown(self) -> bool:
        """As firing: it fires, or its end is deferred."""
        return self.firing or self.deferred

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")


def most_severe(alerts: Iterable[Alert], default: Severity) -> Severity:
    return min((alert.severity for alert in alerts), key=lambda severity: severity.rank, default=default)


@dataclass(frozen=True, slots=True)
class Group:
    """What one webhook carries."""

    source: str
    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    alerts: tuple[Alert, ...]
    external_url: str = ""
    truncated: int = 0  #: alerts that the source left out
    reason: str | None = None  #: notification_reason of Alertmanager 0.32 and newer
    distinct: bool = False  #: the source's name is part of the dedup_key
    asked: bool = False  #: learned by asking the source, and not from a webhook; names only what differs

    @property
    def key(self) -> str:
        """Identity of the group. groupKey alone is not unique: sibling routes and other clusters can share it."""
        parts = "\x00".join((self.source, self.receiver, self.group_key))
        return hashlib.sha256(parts.encode()).hexdigest()

    @property
    def dedup_key(self) -> str:
        """As Alertmanager's own PagerDuty receiver: SHA-256 of the groupKey, so that both may be on at once."""
        text = f"{self.source}\x00{self.group_key}" if self.distinct else self.group_key
        return hashlib.sha256(text.encode()).hexdigest()


class State(enum.StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Flap:
    """How often something began lately, and, while it flaps, since when and how often its state changed."""

    begins: tuple[datetime, ...] = ()  #: the latest ones, no more than decide
    since: datetime | None = None  #: the first beginning that counted; None while it does not flap
    state_changes: int = 0  #: how often it began and ended since then
    state_changed_at: datetime | None = None  #: its latest beginning or end: from here on its quiet period counts


@dataclass(frozen=True)  # without slots: see bridge.core.replacing
class Incident:
    """The lasting record of a group. `number` is 0 until it has been stored."""

    number: int
    uid: str  #: random, names the incident to vendors across databases
    key: str
    dedup_key: str
    source: str
    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    title: str
    state: State
    severity: Severity
    revision: int
    opened_at: datetime
    updated_at: datetime
    seen_at: datetime  #: last webhook about it
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    external_url: str = ""
    truncated: int = 0
    alerts: Mapping[str, Alert] = field(default_factory=dict)  #: by fingerprint
    flap: Flap = Flap()
    began_at: datetime | None = None  #: the newest outbreak's start; None: see core.periods, which reads all of these
    began_exact: bool = True  #: False: the source's start cannot be true, and began_at is when the bridge saw it
    ended_at: datetime | None = None  #: of its last alert, which is before the bridge learns of it; None: not resolved

    @classmethod
    def begun(cls, group: Group, title: str, now: datetime, uid: str) -> Incident:
        """A group's new incident, without its alerts yet."""
        return cls(
            number=0,
            uid=uid,
            key=group.key,
            dedup_key=group.dedup_key,
            source=group.source,
            receiver=group.receiver,
            group_key=group.group_key,
            group_labels=group.group_labels,
            title=title,
            state=State.OPEN,
            severity=Severity.NONE,
            revision=1,
            opened_at=now,
            updated_at=now,
            seen_at=now,
            external_url=group.external_url,
            truncated=group.truncated,
        )

    @property
    def resolved(self) -> bool:
        return self.state is State.RESOLVED

    @property
    def flapping(self) -> bool:
        return self.flap.since is not None and not self.resolved

    @property
    def firing(self) -> tuple[Alert, ...]:
        return tuple(alert for alert in self.alerts.values() if alert.firing)

    @property
    def shown(self) -> tuple[Alert, ...]:
        """The alerts that are shown as firing."""
        return tuple(alert for alert in self.alerts.values() if alert.shown)


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """What planning must know of a configured channel."""

    name: str
    recipients: tuple[str, ...] = ("",)
    edits: bool = True  #: shows every revision by editing; otherwise only loud changes are sent
    send_resolved: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """Where a delivery goes: a channel, and for mail the one recipient."""

    channel: str
    recipient: str = ""

    def __str__(self) -> str:
        return f"{self.channel} {self.recipient}".strip()


class Cause(enum.StrEnum):
    """Why a channel is notified of an incident that the routes alone would not send there."""

    FALLBACK = "fallback"
    ESCALATION = "escalation"


@dataclass(frozen=True, slots=True)
class Added:
    """A channel that is notified too, from some moment on and until the incident's end."""

    channel: str
    cause: Cause
    key: str  #: of a fallback: the channel that could not deliver; of an escalation: the step's key
    because: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What a webhook or a person did to an incident; entries are empty when it changed nothing."""

    incident: Incident
    entries: tuple[Entry, ...]
    touched: tuple[Alert, ...]  #: alerts to write
    opened: bool = False
    reminder: bool = False
    ends_only: bool = False  #: what still fires is muted: only targets for which everything has ended are notified

    @property
    def changed(self) -> bool:
        """A new revision that channels must show; a reminder is only noted."""
        return bool(self.entries) and not self.reminder

    @property
    def loud(self) -> bool:
        return any(entry.loud for entry in self.entries)

    @property
    def reopened(self) -> bool:
        """It was over, and needs a responder again."""
        return any(entry.kind is EntryKind.REOPENED for entry in self.entries)

    @property
    def awakened(self) -> bool:
        """A responder must take it from now on: it began, or it came back unacknowledged."""
        return any(entry.kind.awakens for entry in self.entries)
