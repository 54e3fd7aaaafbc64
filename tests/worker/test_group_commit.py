"""What waits for the store is one transaction, and one part that fails spares the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from bridge.core.errors import StoreDown, StoreRefused, StoreUnavailable
from bridge.core.ports import ChannelCapacity, Claim, Composed, Message, Outcome, Receipt, Sent
from bridge.rendering.sample import sample_claim
from bridge.store import StoreDeliveries
from bridge.worker import Worker
from bridge.worker.store_work import Answer, Work, carry_out
from tests.builders import a_group, an_alert, at
from tests.worker.machine import Machine, ScriptedChannel, until_sent

CLAIM = sample_claim(firing=True)
ROOMS = [ChannelCapacity("pager", 4, None, 1, 60.0), ChannelCapacity("chat", 1, None, 1, 60.0)]


class TracedStore(StoreDeliveries):
    """Records what each transaction was made of."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.transactions: list[list[str]] = []
        self._joined = False

    @contextmanager
    def together(self) -> Iterator[None]:
        self.transactions.append([])
        self._joined = True
        try:
            with super().together():
                yield
        finally:
            self._joined = False

    def claim(self, capacities: Sequence[ChannelCapacity], now: datetime) -> list[Claim]:
        found = super().claim(capacities, now)
        self._note("claim" if found else "empty claim")
        return found

    def freeze(self, claims: Sequence[tuple[Claim, bytes]]) -> None:
        self._note("freeze")
        super().freeze(claims)

    def settle(self, settled: Sequence[tuple[Claim, Outcome]], now: datetime) -> None:
        self._note("settle")
        super().settle(settled, now)

    def _note(self, what: str) -> None:
        if not self._joined:
            self.transactions.append([])
        self.transactions[-1].append(what)


class FourAtOnce(ScriptedChannel):
    """Sends end in fours."""

    def __init__(self) -> None:
        super().__init__()
        self._four = asyncio.Barrier(4)

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        await self._four.wait()
        return await super().send(composed, message, claim)


def test_what_has_ended_is_settled_by_the_transaction_that_claims_for_its_slots(machine: Machine) -> None:
    """Four slots: each but the first claim waits for slots that a settlement frees."""
    machine.accept(*(a_group(an_alert(), key=f"{number}") for number in range(12)))
    machine.store = store = TracedStore(machine.engine)
    channel = FourAtOnce()
    machine.run(channel, until_sent(channel, 12))
    assert [machine.reader.deliveries(n)[0].status for n in range(1, 13)] == ["delivered"] * 12
    claims = [each for each in store.transactions if "claim" in each]
    assert claims == [["claim"], ["settle", "claim"], ["settle", "claim"]]


def test_bytes_and_outcomes_are_stored_together(machine: Machine) -> None:
    machine.accept(*(a_group(an_alert(), key=f"{number}") for number in range(4)))
    machine.store = store = TracedStore(machine.engine)
    channel = ScriptedChannel(freezes=True)
    machine.run(channel, until_sent(channel, 4))
    frozen = [each for each in store.transactions if "freeze" in each]
    assert len(frozen) < 4
    assert store.transactions.index(frozen[0]) > store.transactions.index(["claim"])


def test_a_claim_that_begins_before_the_end_is_sent_and_settled(machine: Machine) -> None:
    """stop() during the transaction that leases: what it leased must not wait for the lease's end."""
    machine.accept(a_group(an_alert()))
    channel, stop = ScriptedChannel(), list[Callable[[], object]]()

    class Stopping(StoreDeliveries):
        def claim(self, capacities: Sequence[ChannelCapacity], now: datetime) -> list[Claim]:
            found = super().claim(capacities, now)
            stop[0]()
            return found

    machine.store = Stopping(machine.engine)

    async def until_stopped(worker: Worker) -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()

        def both() -> None:
            worker.stop()
            ended.set()

        stop.append(lambda: loop.call_soon_threadsafe(both))
        await ended.wait()

    machine.run(channel, until_stopped)
    assert machine.status() == "delivered"


class FaultyStore:
    """Whose parts raise what they are told; `commits_together` as on SQLite."""

    def __init__(self, **faults: Exception) -> None:
        self.faults, self.calls, self.commits_together = faults, list[str](), True

    @contextmanager
    def together(self) -> Iterator[None]:
        self.calls.append("together")
        yield

    def settle(self, settled: Sequence[Any], now: datetime) -> None:
        self._call("settle")

    def freeze(self, claims: Sequence[Any]) -> None:
        self._call("freeze")

    def claim(self, rooms: Sequence[ChannelCapacity], now: datetime) -> list[Claim]:
        self._call("claim")
        return [CLAIM]

    def next_due(self, now: datetime, channels: Sequence[str]) -> datetime | None:
        self._call("next_due")
        return at(9)

    def _call(self, part: str) -> None:
        self.calls.append(part)
        if part in self.faults:
            raise self.faults[part]


def answer(store: Any) -> Answer:
    return carry_out(store, Work([(CLAIM, Sent({}))], [(CLAIM, b"mail")], ROOMS, claims=True), at(0))


REFUSED, BUG, AWAY = StoreRefused("a lost lease"), ValueError("an unreadable row"), StoreUnavailable("a bad page")


@pytest.mark.parametrize("fault", [REFUSED, BUG, AWAY], ids=["refused", "a bug", "away"])
@pytest.mark.parametrize(
    ("part", "of"),
    [
        ("settle", lambda found: found.settled[0]),
        ("freeze", lambda found: found.frozen[0]),
        ("claim", lambda found: found.claimed),
        ("next_due", lambda found: found.asked),
    ],
)
def test_the_fault_of_one_part_spares_the_others(
    part: str, of: Callable[[Answer], Exception | None], fault: Exception
) -> None:
    found = answer(FaultyStore(**{part: fault}))
    assert of(found) is fault
    every = [found.settled[0], found.frozen[0], found.claimed, found.asked]
    assert [each for each in every if each is not None] == [fault]


def test_a_database_that_is_away_is_asked_once() -> None:
    down = StoreDown("locked")
    store = FaultyStore(settle=down)
    found = answer(store)
    assert (found.settled, found.frozen, found.claimed) == ([down], [down], down)
    assert store.calls == ["together", "settle"]


def test_nothing_of_a_transaction_is_kept_when_a_part_of_it_fails(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    store = machine.store

    def claim_and_fail() -> None:
        with store.together():
            assert store.claim(ROOMS[:1], at(10**9))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        claim_and_fail()
    assert machine.status() == "pending"
    assert store.claim(ROOMS[:1], at(10**9)), "and the next one is a transaction of its own"


def test_a_bug_while_a_mail_waits_for_its_bytes_ends_the_worker(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started again then; one that waits for ever would go on to say that it lives."""
    machine.accept(a_group(an_alert()))

    def broken(store: Any, work: Work, now: datetime) -> Answer:
        if work.frozen:
            raise KeyError("a bug")
        return carry_out(store, work, now)

    monkeypatch.setattr("bridge.worker.group_commit.carry_out", broken)
    channel = ScriptedChannel(freezes=True)

    async def never(worker: Worker) -> None:
        await worker._stopped.wait()

    with pytest.raises(KeyError, match="a bug"):
        machine.run(channel, never)
    assert not channel.claims  # nothing was sent
