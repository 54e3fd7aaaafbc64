"""Writing down how tries ended, many at once.

Invariant: only the holder of the lease may settle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.delivery.failures import MAY_BE_ITS_OWN, STUCK_FROM, fails_alone
from bridge.core.escalation import Kind
from bridge.core.ports import Begun, Claim, GiveUp, RetryAt, Sent
from bridge.core.timeline import Entry, EntryKind
from bridge.store.channel_states import failed, last_successes, pause, succeeded
from bridge.store.rows import entry_row
from bridge.store.tables import delivery, event
from bridge.store.timers import put_timers

#: A worker whose lease was taken over changes nothing.
FENCE = (
    delivery.c.incident_number == sa.bindparam("b_number"),
    delivery.c.channel == sa.bindparam("b_channel"),
    delivery.c.recipient == sa.bindparam("b_recipient"),
    delivery.c.lease == sa.bindparam("b_lease"),
)
_SENT = (
    sa.update(delivery)
    .where(*FENCE)
    .values(
        sent=sa.bindparam("b_revision"),
        handle=sa.bindparam("b_handle"),
        pending=delivery.c.wanted > sa.bindparam("b_revision"),
        wanted_at=delivery.c.changed_at,
        sent_at=sa.bindparam("b_now"),
        due_at=delivery.c.changed_at,
        lease=None,
        lease_until=None,
        in_flight=False,
        attempted_at=None,
        attempts=0,
        shrink=False,
        frozen=None,
        frozen_revision=None,
        last_error="",
        refused="",
        hold_reason="",
        failed_at=None,
        alone=0,
    )
)
_RETRY = (
    sa.update(delivery)
    .where(*FENCE)
    .values(
        due_at=sa.bindparam("b_at"),
        lease=None,
        lease_until=None,
        in_flight=sa.bindparam("b_ambiguous"),
        attempts=delivery.c.attempts + 1,
        shrink=sa.bindparam("b_shrink"),
        handle=sa.bindparam("b_handle"),
        last_error=sa.bindparam("b_error"),
        failed_at=sa.bindparam("b_failed_at", type_=delivery.c.failed_at.type),
        alone=sa.bindparam("b_alone"),
    )
)
_BEGUN = (
    sa.update(delivery)
    .where(*FENCE)
    .values(
        due_at=sa.bindparam("b_now"),
        lease=None,
        lease_until=None,
        in_flight=False,
        attempted_at=None,
        handle=sa.bindparam("b_handle"),
    )
)
_DEAD = (
    sa.update(delivery)
    .where(*FENCE)
    .values(
        dead=delivery.c.wanted <= sa.bindparam("b_revision"),
        pending=delivery.c.wanted > sa.bindparam("b_revision"),
        lease=None,
        lease_until=None,
        in_flight=sa.bindparam("b_unknown"),
        shrink=False,
        attempts=delivery.c.attempts + 1,
        last_error=sa.bindparam("b_error"),
        refused=sa.bindparam("b_refused"),
    )
)
_NOTE = sa.insert(event)


ENDED = "ended before it was told"
_KEY = ("incident_number", "channel", "recipient")


@dataclass(slots=True)
class Settlements:
    """Collects outcomes; write() puts each kind down with one statement."""

    connection: sa.Connection
    now: datetime
    _sent: list[dict[str, Any]] = field(default_factory=list)
    _retries: list[tuple[Claim, RetryAt]] = field(default_factory=list)
    _begun: list[dict[str, Any]] = field(default_factory=list)
    _dead: list[dict[str, Any]] = field(default_factory=list)
    _entries: list[dict[str, Any]] = field(default_factory=list)
    _working: set[str] = field(default_factory=set)
    _unable: set[tuple[int, str]] = field(default_factory=set)

    def sent(self, claim: Claim, outcome: Sent) -> None:
        handle = dict(outcome.handle)
        row = {"b_revision": claim.revision, "b_handle": handle, "b_now": self.now}
        self._sent.append({**lease_key(claim), **row})
        if not outcome.skipped:
            self._working.add(claim.target.channel)
        self._note(claim, EntryKind.SKIPPED if outcome.skipped else EntryKind.DELIVERED, outcome.note or "delivered")

    def begun(self, claim: Claim, outcome: Begun) -> None:
        self._begun.append({**lease_key(claim), "b_handle": dict(outcome.handle), "b_now": self.now})
        self._working.add(claim.target.channel)

    def retry(self, claim: Claim, outcome: RetryAt) -> None:
        self._retries.append((claim, outcome))
        if claim.attempts == 0:  # the first failure is worth a line; a day of outage must not write thousands
            self._note(claim, EntryKind.FAILED, f"not delivered yet, trying again: {_error(outcome)}")

    def give_up(self, claim: Claim, outcome: GiveUp) -> None:
        error = _error(outcome)
        refused = outcome.refused[:100_000]
        # As above: that this try was refused says nothing about an earlier one, which a replay must look for.
        row = {"b_revision": claim.revision, "b_error": error, "b_refused": refused, "b_unknown": claim.unknown}
        self._dead.append({**lease_key(claim), **row})
        self._note(claim, EntryKind.DEAD, f"cannot be delivered: {error}")
        self._unable.add((claim.incident_number, claim.target.channel))

    def write(self) -> None:
        successes = self._successes()
        retries = [self._retried(claim, outcome, successes) for claim, outcome in self._retries]
        for statement, rows in ((_SENT, self._sent), (_RETRY, retries), (_BEGUN, self._begun), (_DEAD, self._dead)):
            if rows:
                self.connection.execute(statement, rows)
        if self._entries:
            self.connection.execute(_NOTE, self._entries)
        put_timers(self.connection, [_timer_row(*each, self.now) for each in sorted(self._unable)])
        self._write_channels(successes)

    def _successes(self) -> dict[str, datetime]:
        """When anything got through last, by channel."""
        known = last_successes(self.connection, {claim.target.channel for claim, _ in self._retries}, self.now)
        return {**known, **dict.fromkeys(self._working, self.now)}

    def _retried(self, claim: Claim, outcome: RetryAt, successes: Mapping[str, datetime]) -> dict[str, Any]:
        began, channel = claim.claimed_at or self.now, claim.target.channel
        failed_at, alone = claim.failed_at, claim.alone
        if outcome.reason in MAY_BE_ITS_OWN:
            alone += self._is_alone(claim, successes)
            failed_at = began
        if alone >= STUCK_FROM:
            self._unable.add((claim.incident_number, channel))
        return {
            **lease_key(claim),
            "b_at": outcome.at,
            # What was ambiguous once stays so until a try succeeds or is refused: an answer to a later try says
            # nothing about an earlier one that may have arrived.
            "b_ambiguous": outcome.ambiguous or claim.unknown,
            "b_shrink": outcome.shrink or claim.shrink,
            "b_handle": dict(claim.handle) | dict(outcome.progress or {}),
            "b_error": _error(outcome),
            "b_failed_at": failed_at,
            "b_alone": alone,
        }

    def _is_alone(self, claim: Claim, successes: Mapping[str, datetime]) -> bool:
        return fails_alone(successes.get(claim.target.channel), claim.failed_at, claim.claimed_at or self.now)

    def _note(self, claim: Claim, kind: EntryKind, text: str) -> None:
        whom = f"{claim.target.channel} {claim.target.recipient}".strip()
        entry = Entry(self.now, kind, whom, text, claim.revision)
        self._entries.append(entry_row(claim.incident_number, entry))

    def _write_channels(self, successes: Mapping[str, datetime]) -> None:
        outcomes = {claim.target.channel: outcome for claim, outcome in self._retries}
        pauses = {
            claim.target.channel: each
            for claim, each in self._retries
            if each.pause_until is not None and not (claim.alone or self._is_alone(claim, successes))
        }
        for channel in sorted(self._working | outcomes.keys()):
            if channel in self._working:
                succeeded(self.connection, channel, self.now)
            if (paused := pauses.get(channel)) is not None and paused.pause_until is not None:
                pause(self.connection, channel, paused.pause_until, _error(paused))
            elif channel not in self._working and outcomes[channel].reason in MAY_BE_ITS_OWN:
                failed(self.connection, channel, successes.get(channel), _error(outcomes[channel]))


def _error(outcome: RetryAt | GiveUp) -> str:
    return f"{outcome.reason}: {outcome.detail}"


def is_ended_untold(row: sa.RowMapping | Mapping[str, Any]) -> bool:
    """Skip the resolve if the trigger was never delivered, nor may have arrived, nor did in part."""
    return not (row["firing"] or row["sent"] or row["in_flight"] or row["handle"])


def skip_ended(connection: sa.Connection, rows: Sequence[sa.RowMapping], now: datetime) -> None:
    """Rows that is_ended_untold holds of, locked."""
    mine = [delivery.c[name] == sa.bindparam(f"b_{name}") for name in _KEY]
    keys = [{f"b_{name}": row[name] for name in _KEY} for row in rows]
    connection.execute(sa.update(delivery).where(*mine).values(pending=False, attempts=0, last_error=""), keys)
    entries = (
        Entry(now, EntryKind.SKIPPED, f"{row['channel']} {row['recipient']}".strip(), ENDED, row["wanted"])
        for row in rows
    )
    numbers = (row["incident_number"] for row in rows)
    connection.execute(sa.insert(event), [entry_row(*each) for each in zip(numbers, entries, strict=True)])


def _timer_row(number: int, channel: str, now: datetime) -> dict[str, Any]:
    """Whoever watches the timers looks whether there is a fallback."""
    return {"incident_number": number, "kind": Kind.FALLBACK.value, "key": channel, "due_at": now}


def lease_key(claim: Claim) -> dict[str, Any]:
    return {
        "b_number": claim.incident_number,
        "b_channel": claim.target.channel,
        "b_recipient": claim.target.recipient,
        "b_lease": claim.lease,
    }
