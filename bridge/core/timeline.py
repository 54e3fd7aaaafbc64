"""What happened to an incident, line by line: each entry has a kind, an actor and the revision it belongs to."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class Place(enum.StrEnum):
    """Where a user acted. Stored and shown by its value."""

    PAGE = "page"
    CLI = "cli"
    API = "api"
    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    BRIDGE = "bridge"  #: by itself, for a user


class EntryKind(enum.StrEnum):
    """What an entry reports. Stored and shown by its value, so a value is never given another meaning."""

    OPENED = "opened"
    ENDED = "ended"  #: first received after it had ended
    REOPENED = "reopened"
    RESOLVED = "resolved"
    REMINDER = "reminder"
    JOINED = "joined"
    LEFT = "left"
    RAISED = "raised"  #: the severity
    LOWERED = "lowered"
    TRUNCATED = "truncated"  #: alerts left out by the source
    MUTED = "muted"
    UNMUTED = "unmuted"
    FLAPPING = "flapping"
    HELD = "held"  #: an alert's end, deferred while it flaps
    RETURNED = "returned"  #: an alert whose end was deferred
    STEADIED = "steadied"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    EXPIRED = "expired"  #: an acknowledgement
    NOTED = "noted"  #: its text is the note as its author wrote it, which may have several lines
    PAGED_AGAIN = "paged_again"
    LEARNED = "learned"  #: a fact that was not known when the message was sent
    ESCALATED = "escalated"
    FALLBACK = "fallback"
    STORM = "storm"
    DELIVERED = "delivered"
    SKIPPED = "skipped"
    FAILED = "failed"
    DEAD = "dead"
    OTHER = "other"  #: written by a newer version beside this one

    @classmethod
    def _missing_(cls, value: object) -> EntryKind:
        return cls.OTHER

    @property
    def awakens(self) -> bool:
        """A responder must take the incident from now on."""
        return self in _AWAKENS

    @property
    def is_only_noted(self) -> bool:
        """No message changes for it."""
        return self in _ONLY_NOTED

    @property
    def is_noted_while_muted(self) -> bool:
        """No message changes for it while all that fires is muted."""
        return self.is_only_noted or self in (EntryKind.LOWERED, EntryKind.TRUNCATED)

    @property
    def explains_target(self) -> bool:
        """It explains why a channel is notified beyond the routes."""
        return self in (EntryKind.ESCALATED, EntryKind.FALLBACK)


_AWAKENS = frozenset(
    {EntryKind.OPENED, EntryKind.REOPENED, EntryKind.UNACKNOWLEDGED, EntryKind.EXPIRED, EntryKind.PAGED_AGAIN}
)
_ONLY_NOTED = frozenset({EntryKind.HELD, EntryKind.RETURNED, EntryKind.MUTED, EntryKind.UNMUTED})
#: Of a storm's incident: entries that its digest's text accompanies.
WITH_DIGEST = (EntryKind.OPENED, EntryKind.STORM, EntryKind.REOPENED, EntryKind.PAGED_AGAIN)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an incident's timeline. `loud` entries are worth a new message, quiet ones only an edit."""

    at: datetime
    kind: EntryKind
    actor: str
    text: str
    revision: int
    loud: bool = False
    place: Place | None = None  #: where the user acted; None: no user did
