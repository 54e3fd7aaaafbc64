"""One visit to the store, in its thread: in one transaction where that is possible, else each part in its own.

Invariant: what is wrong with one part (an unreadable incident, a lost lease, a refused outcome) spares the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bridge.core.errors import StoreDown, StoreRefused, StoreUnavailable
from bridge.core.ports import ChannelCapacity, Claim, Deliveries, Outcome

Settled = tuple[Claim, Outcome]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """What waits. rooms: the channels with free slots, as they are once this is settled."""

    settled: Sequence[Settled]
    frozen: Sequence[tuple[Claim, bytes]]
    rooms: Sequence[ChannelCapacity]
    claims: bool  #: whether to claim for these

    @property
    def has_parts(self) -> bool:
        return bool(self.settled) + bool(self.frozen) + self.claims > 1


@dataclass(slots=True)
class Answer:
    """What became of each part; of outcomes and bytes in the order in which they were given."""

    settled: Sequence[Exception | None] = ()
    frozen: Sequence[Exception | None] = ()
    claims: Sequence[Claim] = ()
    claimed: Exception | None = None  #: the fault of the claim
    due: datetime | None = None  #: the next delivery of a channel that has room left
    asked: Exception | None = None  #: the fault of that question


def is_away(fault: Exception) -> bool:
    """The database is, or says so; it does not refuse what it was given."""
    return isinstance(fault, StoreUnavailable) and not isinstance(fault, StoreRefused)


def carry_out(store: Deliveries, work: Work, now: datetime) -> Answer:
    """Blocks. Never raises."""
    if store.commits_together and work.has_parts:
        try:
            return _in_one(store, work, now)
        except StoreDown as fault:  # each part would wait for the database as long
            return Answer([fault] * len(work.settled), [fault] * len(work.frozen), claimed=fault)
        except Exception:  # rolled back
            pass
    return _apart(store, work, now)


def _in_one(store: Deliveries, work: Work, now: datetime) -> Answer:
    answer = Answer([None] * len(work.settled), [None] * len(work.frozen))
    with store.together():
        if work.settled:
            store.settle(work.settled, now)
        if work.frozen:
            store.freeze(work.frozen)
        if work.claims:
            answer.claims = store.claim(work.rooms, now)
        answer.due = store.next_due(now, _left(work, answer.claims))
    return answer


def _apart(store: Deliveries, work: Work, now: datetime) -> Answer:
    answer = Answer(_each(lambda some: store.settle(some, now), work.settled), _each(store.freeze, work.frozen))
    if work.claims:
        try:
            answer.claims = store.claim(work.rooms, now)
        except Exception as fault:
            answer.claimed = fault
            return answer
    try:
        answer.due = store.next_due(now, _left(work, answer.claims))
    except Exception as fault:
        answer.asked = fault
    return answer


def _each(call: Callable[[Sequence[T]], None], items: Sequence[T]) -> list[Exception | None]:
    """All at once; when one of them is refused, one by one."""
    fault = _fault(call, items) if items else None
    if fault is None or len(items) == 1 or is_away(fault):
        return [fault] * len(items)
    return [_fault(call, [each]) for each in items]


def _fault(call: Callable[[Sequence[T]], None], items: Sequence[T]) -> Exception | None:
    try:
        call(items)
    except Exception as fault:
        return fault
    return None


def _left(work: Work, claims: Sequence[Claim]) -> list[str]:
    """The channels that still have room: what ends in the others leads to a claim anyway."""
    taken = Counter(claim.target.channel for claim in claims)
    return [room.channel for room in work.rooms if room.limit > taken[room.channel]]
