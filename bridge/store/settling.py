"""Writing down how tries ended, many at once.

Invariant: only the holder of the lease may settle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from bridge.core.delivery.attempts import pauses_channel, settle
from bridge.core.delivery.delivery import ENDED, Delivery, Key
from bridge.core.delivery.failures import MAY_BE_ITS_OWN
from bridge.core.escalation import Kind, Timer
from bridge.core.ports import Begun, Claim, GiveUp, Outcome, RetryAt, Sent
from bridge.core.timeline import Entry, EntryKind
from bridge.store.applying import NOTE
from bridge.store.channel_states import failed, last_successes, pause, succeeded
from bridge.store.prepared import Prepared, among
from bridge.store.rows import DELIVERY, delivery_from, entry_row
from bridge.store.tables import delivery
from bridge.store.timers import put_timers
from bridge.store.updates import KEY, update, updating

_SETTLED = (
    "sent", "wanted", "pending", "wanted_at", "due_at", "sent_at", "handle", "lease", "lease_until", "in_flight",
    "attempted_at", "attempts", "shrink", "frozen_revision", "failed_at", "alone", "last_error", "refused", "dead",
    "dead_reason", "dead_at", "hold_reason",
)  # fmt: skip
_SKIPPED = ("pending", "attempts", "last_error")
# Locked until the outcomes are committed; in the order of their keys, as those who plan write them.
_LEASED = Prepared(
    sa.select(*DELIVERY)
    .where(
        among(delivery.c.incident_number, "numbers"),
        among(delivery.c.lease, "leases"),
    )
    .order_by(*(delivery.c[name] for name in KEY))
    .with_for_update()
)
_WRITE_SETTLED = Prepared(
    updating(_SETTLED).values(
        frozen=sa.case((sa.bindparam("b_frozen_revision", type_=sa.Integer).is_not(None), delivery.c.frozen))
    )
)
_WRITE_SKIPPED = Prepared(updating(_SKIPPED))


@dataclass(slots=True)
class Settlements:
    """Collects outcomes; write() reads the deliveries of all, and writes them, with one statement each."""

    connection: sa.Connection
    now: datetime
    _outcomes: list[tuple[Claim, Outcome]] = field(default_factory=list)
    _entries: list[tuple[int, Entry]] = field(default_factory=list)
    _working: set[str] = field(default_factory=set)  #: channels through which something got

    def add(self, claim: Claim, outcome: Outcome) -> None:
        self._outcomes.append((claim, outcome))
        match outcome:
            case Sent(skipped=True):
                self._note(claim, EntryKind.SKIPPED, outcome.note or "delivered")
            case Sent():
                self._note(claim, EntryKind.DELIVERED, outcome.note or "delivered")
                self._working.add(claim.target.channel)
            case Begun():
                self._working.add(claim.target.channel)
            case RetryAt() if claim.attempts == 0:  # a day of outage must not write thousands
                self._note(claim, EntryKind.FAILED, f"not delivered yet, trying again: {outcome.error}")
            case GiveUp():
                self._note(claim, EntryKind.DEAD, f"cannot be delivered: {outcome.error}")

    def write(self) -> None:
        before, successes = self._leased(), self._successes()
        after = dict(before)
        for claim, outcome in self._outcomes:
            key = claim.incident_number, claim.target.channel, claim.target.recipient
            if key in after:
                after[key] = settle(after[key], claim, outcome, self.now, successes.get(claim.target.channel))
        settled = [each for key, each in after.items() if each != before[key]]
        update(self.connection, _WRITE_SETTLED, _SETTLED, settled)
        NOTE.run_many(self.connection, [entry_row(*each) for each in self._entries])
        unable = {(each.incident_number, each.target.channel) for each in settled if each.is_stuck}
        put_timers(self.connection, [(number, self._timer(channel)) for number, channel in sorted(unable)])
        self._write_channels(successes)

    def _leased(self) -> dict[Key, Delivery]:
        """What these claims still lease, as it is now: more may be wanted since."""
        wanted = {
            "numbers": sorted({claim.incident_number for claim, _ in self._outcomes}),
            "leases": sorted({claim.lease for claim, _ in self._outcomes}),
        }
        found = [delivery_from(row) for row in _LEASED.rows(self.connection, wanted)]
        return {each.key: each for each in found}

    def _timer(self, channel: str) -> Timer:
        """The watch over the timers finds out whether there is a fallback."""
        return Timer(Kind.FALLBACK, channel, self.now)

    def _successes(self) -> dict[str, datetime]:
        """When anything got through last, by channel."""
        retried = {claim.target.channel for claim, outcome in self._outcomes if isinstance(outcome, RetryAt)}
        known = last_successes(self.connection, retried, self.now)
        return {**known, **dict.fromkeys(self._working, self.now)}

    def _note(self, claim: Claim, kind: EntryKind, text: str) -> None:
        entry = Entry(self.now, kind, str(claim.target), text, claim.revision)
        self._entries.append((claim.incident_number, entry))

    def _write_channels(self, successes: Mapping[str, datetime]) -> None:
        retries = [(claim, each) for claim, each in self._outcomes if isinstance(each, RetryAt)]
        latest = {claim.target.channel: each for claim, each in retries}
        pauses = {
            claim.target.channel: each
            for claim, each in retries
            if pauses_channel(claim, each, self.now, successes.get(claim.target.channel))
        }
        for channel in sorted(self._working | latest.keys()):
            if channel in self._working:
                succeeded(self.connection, channel, self.now)
            if (paused := pauses.get(channel)) is not None and paused.pause_until is not None:
                pause(self.connection, channel, paused.pause_until, paused.error)
            elif channel not in self._working and latest[channel].reason in MAY_BE_ITS_OWN:
                failed(self.connection, channel, successes.get(channel), latest[channel].error)


def write_skipped(connection: sa.Connection, skipped: Sequence[Delivery], now: datetime) -> None:
    """Deliveries that `skip` gave, whose rows are locked."""
    update(connection, _WRITE_SKIPPED, _SKIPPED, skipped)
    entries = [(each.incident_number, each.entry(EntryKind.SKIPPED, ENDED, now)) for each in skipped]
    NOTE.run_many(connection, [entry_row(*each) for each in entries])
