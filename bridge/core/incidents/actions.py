"""What users do to an incident, and what the bridge adds by itself, rather than what alerts do. Pure.

Invariant: an action changes an incident once. Asked for again, by whom and wherever, it is refused with who was first.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from bridge.core.incidents.periods import closed
from bridge.core.model import Change, Flap, Incident, State
from bridge.core.numbers import ago
from bridge.core.timeline import Entry, EntryKind, Place

LONGEST_NOTE = 2000  #: characters; PagerDuty takes no more of a note


class Verb(enum.StrEnum):
    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    RESOLVE = "resolve"
    NOTE = "note"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Action:
    """What a user asks for, and where. It means the same wherever it was asked for."""

    verb: Verb
    actor: str
    place: Place
    text: str = ""  #: of a note
    channel: str = ""  #: to escalate to; empty: the next step of the routes
    revision: int | None = None  #: which the user saw: if the incident has changed since, the action is refused


class Why(enum.StrEnum):
    """Why an action changed nothing."""

    ALREADY = "already"  #: what it asks for is so: no error
    CHANGED = "changed"  #: the incident has changed since the revision that the user saw
    OVER = "over"  #: the incident is resolved
    NO_CHANNEL = "no_channel"  #: there is nothing to escalate to, or no such channel
    KEY_REUSED = "key_reused"  #: the Idempotency-Key belongs to another request


@dataclass(frozen=True, slots=True)
class Refusal:
    """The action changes nothing; text: who was first, or what to do, for the user."""

    why: Why
    text: str


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What became of an action, for the user. why: None when it changed the incident."""

    number: int
    state: State
    revision: int
    text: str
    why: Why | None = None


@dataclass(frozen=True, slots=True)
class RequestKey:
    """An Idempotency-Key: for a day the same request with it gets the same answer. Both are SHA-256 in hex."""

    id: str  #: of the user and the key
    request: str  #: of what is asked for


class Actions(Protocol):
    """The drivers' way to act."""

    def take(self, number: int, action: Action, now: datetime, key: RequestKey | None = None) -> ActionResult | None:
        """Return once it is committed, else raise StoreUnavailable. None: there is no such incident."""
        ...


def act(incident: Incident, action: Action, now: datetime, newer: Sequence[Entry] = ()) -> Change | Refusal:
    """Everything but escalating. newer: the entries since action.revision, the oldest first."""
    refusal = refusal_of(incident, action, now, newer, lambda entry: entry.text == action.text)
    return refusal if refusal is not None else _change(incident, action, now)


def refusal_of(
    incident: Incident, action: Action, now: datetime, newer: Sequence[Entry], same: Callable[[Entry], bool]
) -> Refusal | None:
    """What forbids this action, or makes it needless. same: whether a user's own entry is of exactly this action."""
    so = _already(incident, action, now)
    if so and _is_own(incident, action, newer):
        return Refusal(Why.ALREADY, so)
    if action.revision is not None and incident.revision > action.revision:
        if action.verb in _REPEATED and any(same(entry) for entry in _own(action, newer)):
            return Refusal(Why.ALREADY, f"{action.actor} did so before")
        return Refusal(Why.CHANGED, _what_changed(incident, action.revision, so, newer, now))
    if so:
        return Refusal(Why.ALREADY, so)
    if incident.resolved and action.verb is not Verb.NOTE:
        return Refusal(Why.OVER, f"it is over: {_end_of(incident, now)}")
    return None


def note_of(text: str) -> str:
    """The note as it is kept: without control characters, line ends as \\n, no blank ends. Raises ValueError."""
    kept = "".join(each for each in text.replace("\r\n", "\n").replace("\r", "\n") if _is_text(each)).strip()
    if not kept:
        raise ValueError("the note is empty")
    if len(kept) > LONGEST_NOTE:
        raise ValueError(f"the note has {len(kept):,} characters, and {LONGEST_NOTE:,} are the most: shorten it")
    return kept


def acknowledge(incident: Incident, actor: str, now: datetime, place: Place | None = None) -> Change:
    """Does nothing if the incident is already acknowledged or resolved."""
    if incident.state is not State.OPEN:
        return Change(incident, (), ())
    revision = incident.revision + 1
    entry = Entry(now, EntryKind.ACKNOWLEDGED, actor, f"{actor} acknowledged it", revision, place=place)
    changed = replace(
        incident,
        state=State.ACKNOWLEDGED,
        acknowledged_at=now,
        acknowledged_by=actor,
        revision=revision,
        updated_at=now,
    )
    return Change(changed, (entry,), ())


def unacknowledge(incident: Incident, actor: str, now: datetime, place: Place | None = None, why: str = "") -> Change:
    """It needs a responder again, so its channels are notified. Does nothing unless it is acknowledged."""
    if incident.state is not State.ACKNOWLEDGED:
        return Change(incident, (), ())
    revision = incident.revision + 1
    text = f"open again: {why or f'{actor} took back the acknowledgement of {incident.acknowledged_by}'}"
    if not why and actor == incident.acknowledged_by:
        text = f"open again: {actor} took back the acknowledgement"
    entry = Entry(now, EntryKind.UNACKNOWLEDGED, actor, text, revision, loud=True, place=place)
    changed = replace(
        incident, state=State.OPEN, acknowledged_at=None, acknowledged_by=None, revision=revision, updated_at=now
    )
    return Change(changed, (entry,), ())


def note(incident: Incident, actor: str, text: str, now: datetime, place: Place | None = None) -> Change:
    """Add a user's note, whatever the state. It edits messages, and is worth no new one."""
    revision = incident.revision + 1
    entry = Entry(now, EntryKind.NOTED, actor, text, revision, place=place)
    return Change(replace(incident, revision=revision, updated_at=now), (entry,), ())


def add_measurements(incident: Incident, text: str, now: datetime, *, loud: bool = True) -> Change:
    """Add a fact that could not be measured when the incident was notified. Does nothing once it is resolved."""
    if incident.resolved:
        return Change(incident, (), ())
    revision = incident.revision + 1
    entry = Entry(now, EntryKind.LEARNED, "bridge", text, revision, loud=loud)
    return Change(replace(incident, revision=revision, updated_at=now), (entry,), ())


def resolve(incident: Incident, actor: str, now: datetime, place: Place | None = None) -> Change:
    """Resolve it for a user. If its alerts still fire at the next reminder, the incident is reopened.

    Ends that were deferred because of flapping are notified at once.
    """
    if incident.resolved:
        return Change(incident, (), ())
    revision = incident.revision + 1
    entry = Entry(now, EntryKind.RESOLVED, actor, f"{actor} resolved it", revision, loud=True, place=place)
    deferred = tuple(replace(alert, deferred=False) for alert in incident.alerts.values() if alert.deferred)
    changed = replace(
        closed(incident, actor, now),
        revision=revision,
        updated_at=now,
        alerts={**incident.alerts, **{alert.fingerprint: alert for alert in deferred}},
        flap=Flap(),
    )
    return Change(changed, (entry,), deferred)


_KINDS = {
    Verb.ACKNOWLEDGE: EntryKind.ACKNOWLEDGED,
    Verb.UNACKNOWLEDGE: EntryKind.UNACKNOWLEDGED,
    Verb.RESOLVE: EntryKind.RESOLVED,
    Verb.NOTE: EntryKind.NOTED,
    Verb.ESCALATE: EntryKind.ESCALATED,
}
#: What changes no state, so that only its entry tells that it was done. The others are undone by what follows.
_REPEATED = (Verb.NOTE, Verb.ESCALATE)
_ONLY_DELIVERED = (EntryKind.DELIVERED, EntryKind.SKIPPED, EntryKind.FAILED, EntryKind.DEAD)


def _change(incident: Incident, action: Action, now: datetime) -> Change:
    if action.verb is Verb.NOTE:
        return note(incident, action.actor, action.text, now, action.place)
    if action.verb is Verb.ACKNOWLEDGE:
        return acknowledge(incident, action.actor, now, action.place)
    if action.verb is Verb.UNACKNOWLEDGE:
        return unacknowledge(incident, action.actor, now, action.place)
    if action.verb is Verb.RESOLVE:
        return resolve(incident, action.actor, now, action.place)
    raise ValueError(f"{action.verb} needs the routes: see bridge.core.escalation")


def _already(incident: Incident, action: Action, now: datetime) -> str:
    """Who made it so; empty when it is not so."""
    if action.verb is Verb.ACKNOWLEDGE and incident.state is State.ACKNOWLEDGED:
        return f"{incident.acknowledged_by} acknowledged it{_when(incident.acknowledged_at, now)}"
    if action.verb is Verb.UNACKNOWLEDGE and incident.state is State.OPEN:
        return "no one has acknowledged it"
    return _end_of(incident, now) if action.verb is Verb.RESOLVE and incident.resolved else ""


def _is_own(incident: Incident, action: Action, newer: Sequence[Entry]) -> bool:
    """It is the same user's own, who asks again."""
    first = incident.acknowledged_by if action.verb is Verb.ACKNOWLEDGE else incident.resolved_by
    return first == action.actor or bool(_own(action, newer))


def _own(action: Action, newer: Sequence[Entry]) -> list[Entry]:
    """The user's own since the revision that they name: an answer was lost, and they ask again."""
    return [entry for entry in newer if entry.kind is _KINDS[action.verb] and entry.actor == action.actor]


def _what_changed(incident: Incident, seen: int, so: str, newer: Sequence[Entry], now: datetime) -> str:
    what, changes = so, [entry for entry in newer if entry.kind not in _ONLY_DELIVERED]
    if not what and changes:
        last = changes[-1]
        what = f"{last.actor} wrote a note" if last.kind is EntryKind.NOTED else last.text
        what += _when(last.at, now)
    seen_text = f"the incident is at revision {incident.revision}, and you saw revision {seen}"
    return f"{what}: {seen_text}" if what else seen_text


def _end_of(incident: Incident, now: datetime) -> str:
    when = _when(incident.resolved_at, now)
    if incident.resolved_by in (None, incident.source):
        return f"every alert has ended{when}"
    return f"{incident.resolved_by} resolved it{when}"


def _when(at: datetime | None, now: datetime) -> str:
    return f" {ago(now - at)}" if at is not None else ""


def _is_text(letter: str) -> bool:
    """No control character but newline and tab, no surrogate, no bidirectional override."""
    return letter in "\n\t" or not (
        letter < " " or "\x7f" <= letter <= "\x9f" or "\ud800" <= letter <= "\udfff" or letter in _OVERRIDES
    )


_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufffe\uffff"
