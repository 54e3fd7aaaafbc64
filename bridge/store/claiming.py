"""One channel in the transaction that claims: what may be sent now, and whether a storm begins.

Invariant: pace, pause, probes, concurrency and storm are asked of the database each time, so that any number of workers
keep them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.delivery import attempts
from bridge.core.delivery.attempts import Candidate
from bridge.core.delivery.delivery import Delivery
from bridge.core.delivery.failures import probing, probing_in_a_pause, room_for_doubtful, spacing
from bridge.core.ports import ChannelCapacity, Claim, Handle
from bridge.core.storms.detection import Storm
from bridge.observability import logs
from bridge.store.applying import Policy
from bridge.store.candidates import Candidates
from bridge.store.channel_states import ChannelState, locked_state, put_state
from bridge.store.prepared import Prepared
from bridge.store.snapshots import Snapshot, lock
from bridge.store.storms import begin, tighten
from bridge.store.suppression import LEAST, are_waiting
from bridge.store.tables import delivery
from bridge.store.updates import update, updating

log = logs.get("store")

_LEASED = ("lease", "lease_until", "in_flight", "attempted_at")
_WRITE_LEASED = Prepared(updating(_LEASED))


@dataclass(slots=True)
class Claiming:
    """One channel in the transaction that claims. chance: what decides between equals, in [0, 1)."""

    connection: sa.Connection
    capacity: ChannelCapacity
    storm: Storm | None
    policy: Callable[[], Policy] | None
    now: datetime
    chance: float
    _unknown: int = 0  #: tries that may have arrived, while the vendor fails

    def leased(self, lease: str) -> list[Leased]:
        state = locked_state(self.connection, self.capacity.channel)
        limit = state.room(self.capacity, self.now)
        found = self._candidates(state, limit)
        if len(found) >= limit and self._storms():
            found = self._candidates(state, limit)
        # What is being changed just now is claimed when it has been: soon, and as it is then.
        locked = lock(self.connection, (each.delivery.incident_number for each in found)) if found else set()
        found = [each for each in found if each.delivery.incident_number in locked]
        if not found:
            return []
        leased = [self._lease(each.delivery, lease) for each in found]
        update(self.connection, _WRITE_LEASED, _LEASED, leased)
        put_state(self.connection, self.capacity.channel, **self._state_after(state, found))
        lost = any(each.delivery.in_flight and not each.delivery.handle for each in found)
        other_handle = _newest_handle(self.connection, self.capacity.channel) if lost else {}
        return [Leased(each, lease, other_handle, self.now) for each in found]

    def _lease(self, known: Delivery, lease: str) -> Delivery:
        return attempts.lease(known, lease, self.now, self.capacity.lease_seconds)

    def _state_after(self, state: ChannelState, found: Sequence[Candidate]) -> dict[str, Any]:
        values = state.after(self.capacity, len(found), self.now)
        if state.failing and (distance := spacing(_tries(found[0].delivery), self._unknown)) is not None:
            values["probe_at"] = self.now + distance
        return values

    def _candidates(self, state: ChannelState, limit: int) -> list[Candidate]:
        if limit < 1:
            return []
        capacity, found = self.capacity, Candidates(self.connection, self.capacity.channel, self.storm, self.now)
        doubtful = capacity.doubtful if capacity.doubtful is not None else room_for_doubtful(capacity.limit)
        if state.paused(self.now):
            return found.probe(probing_in_a_pause(self.chance), doubtful=doubtful > 0)
        if not state.failing:
            return found.most_urgent(limit, doubtful, self.chance)
        self._unknown = found.unknown()
        again = state.probe_at is None or state.probe_at <= self.now
        wanted = probing(again=again, unknown=self._unknown, chance=self.chance)
        return found.probe(wanted, doubtful=doubtful > 0)

    def _storms(self) -> bool:
        """Whether a storm begins, or suppresses what is more severe. Seen here and not only by the periodic watch, so
        that no burst trickles through."""
        capacity, before = self.capacity, self.storm
        if capacity.storm_at is None or self.policy is None:
            return False
        below = before.rank if before is not None else LEAST
        if not are_waiting(self.connection, capacity.channel, capacity.storm_at, self.now, below):
            return False
        try:
            with self.connection.begin_nested():
                self.storm = self._storm_now(self.policy())
        except Exception:  # whatever is wrong with the digest, messages go
            log.exception("storm_not_followed", channel=capacity.channel)
        return self.storm != before

    def _storm_now(self, policy: Policy) -> Storm | None:
        if self.storm is None:
            return begin(self.connection, policy, self.capacity.channel, self.now)
        return tighten(self.connection, policy, self.storm, self.now)


def _tries(known: Delivery) -> int:
    """That failed for a reason that may be the vendor's."""
    return known.attempts if known.failed_at is not None else 0


_SENT = Prepared(
    sa.select(delivery.c.handle)
    .where(delivery.c.channel == sa.bindparam("b_channel"), delivery.c.sent_at.is_not(None))
    .order_by(delivery.c.sent_at.desc())
    .limit(1)
)


def _newest_handle(connection: sa.Connection, channel: str) -> Handle:
    """Of the channel's newest message; empty when it has sent none."""
    return _SENT.scalar(connection, {"b_channel": channel}) or {}


@dataclass(frozen=True, slots=True, eq=False)
class Leased:
    """A candidate whose lease is written."""

    candidate: Candidate
    lease: str
    other_handle: Handle
    at: datetime

    @property
    def number(self) -> int:
        """Of the incident."""
        return self.candidate.delivery.incident_number

    def claim(self, seen: Snapshot) -> Claim:
        """Of what the same transaction saw."""
        return attempts.claim_of(self.candidate, self.lease, seen.incident, seen.news, self.other_handle, self.at)
