"""The reconciler with the real store and Alertmanagers that answer as they are told."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import StoreUnavailable
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.reconciliation import Listed, Look, NoLook, Patience, Silence, Wanted
from bridge.core.routing.tree import Route
from bridge.observability.metrics import Metrics
from bridge.store import Policy, StoreIntake, StoreReconciling, open_database
from bridge.worker.reconciliation import Asked, Memory, Reconciler
from tests.builders import a_group, an_alert, at

POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})
ONE = an_alert("One")
OLD = at(-100_000)


class ToldAlertmanager:
    """Says what `answer` holds."""

    def __init__(self, answer: Look | NoLook | Exception | None = None) -> None:
        self.answer: Look | NoLook | Exception = answer or having(ONE)
        self.wanted: list[Wanted] = []
        self.closed, self.gate = False, asyncio.Event()
        self.gate.set()

    async def look(self, wanted: Wanted) -> Look | NoLook:
        self.wanted.append(wanted)
        await self.gate.wait()
        assert not self.closed
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        self.closed = True


def having(*alerts: Any, **more: Any) -> Look:
    listed = [each if isinstance(each, Listed) else Listed(each) for each in alerts]
    return Look(OLD, {each.alert.fingerprint: each for each in listed}, **more)


class Machine:
    def __init__(self, folder: Path) -> None:
        self.engine = open_database(f"sqlite:///{folder}/bridge.db")
        self.now, self.metrics = at(10), Metrics()
        self.store = self.another("me")
        self.memory = Memory()
        intake = StoreIntake(self.engine, lambda: POLICY, lambda: at(1))
        intake.accept(a_group(ONE, key="group"))
        intake.close()

    def another(self, name: str) -> StoreReconciling:
        return StoreReconciling(self.engine, lambda: POLICY, name)

    def clock(self) -> Any:
        return self.now

    def reconciler(self, *asked: Asked, store: Any = None) -> Reconciler:
        return Reconciler(store or self.store, asked, self.metrics, self.clock)

    def rounds(self, asked: Asked, count: int, store: Any = None) -> None:
        """A minute apart."""

        async def main() -> None:
            for _ in range(count):
                await self.reconciler(asked, store=store).round(asked, self.memory)
                self.now += timedelta(minutes=1)

        asyncio.run(main())

    @property
    def open(self) -> int:
        return len(self.store.unresolved("prod"))

    def counted(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"bridge_reconciler_{name}_total", {"source": "prod", **labels})


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def asked(every: float = 60.0, **alertmanagers: ToldAlertmanager) -> Asked:
    return Asked("prod", alertmanagers, Patience(), every, 10.0)


def test_an_alert_that_is_gone_for_five_minutes_is_ended_and_counted(machine: Machine) -> None:
    alertmanager = ToldAlertmanager()
    machine.rounds(asked(am=alertmanager), 1)
    assert [Wanted(frozenset([ONE.fingerprint]))] == alertmanager.wanted
    alertmanager.answer = having()
    machine.rounds(asked(am=alertmanager), 5)
    assert (1, 0) == (machine.open, machine.counted("ended_alerts"))
    machine.rounds(asked(am=alertmanager), 1)
    assert (0, 1) == (machine.open, machine.counted("ended_alerts"))
    assert (7, 0) == (machine.counted("looks", outcome="ok"), machine.counted("looks", outcome="fresh"))


def test_an_alertmanager_that_never_had_anything_of_ours_ends_nothing(machine: Machine) -> None:
    stranger = ToldAlertmanager(having())
    machine.rounds(asked(am=stranger), 10)
    assert (1, 10) == (machine.open, machine.counted("looks", outcome="unrecognised"))


def test_recognition_outlives_the_process_but_not_a_new_address(machine: Machine) -> None:
    machine.rounds(asked(am=ToldAlertmanager()), 1)
    machine.memory = Memory()
    machine.rounds(asked(elsewhere=ToldAlertmanager(having())), 6)
    assert 1 == machine.open
    machine.rounds(asked(am=ToldAlertmanager()), 1)
    machine.memory = Memory()
    machine.rounds(asked(am=ToldAlertmanager(having())), 6)
    assert 0 == machine.open


def test_one_that_does_not_answer_stops_the_ending_and_not_the_marking(machine: Machine) -> None:
    silenced = having(Listed(ONE, silenced_by=("s",)), silences={"s": Silence("alice", None)})
    left, right = ToldAlertmanager(silenced), ToldAlertmanager(NoLook("does not answer"))
    machine.rounds(asked(left=left, right=right), 2)
    (incident,) = machine.store.unresolved("prod")
    assert ("silenced by alice", 1) == (incident.alerts[ONE.fingerprint].muted, incident.revision)
    left.answer = having()
    machine.rounds(asked(left=left, right=right), 10)
    assert (1, 12) == (machine.open, machine.counted("looks", outcome="unanswered"))


def test_a_second_worker_does_not_ask_and_begins_anew_when_it_takes_over(machine: Machine) -> None:
    alertmanager = ToldAlertmanager()
    machine.rounds(asked(am=alertmanager), 1)
    machine.memory.absent_since = {ONE.fingerprint: at(0)}
    alertmanager.answer = having()
    other = machine.another("other")
    machine.rounds(asked(am=alertmanager), 1, store=other)
    assert (1, {}) == (len(alertmanager.wanted), machine.memory.absent_since)
    machine.now += timedelta(minutes=10)
    machine.rounds(asked(am=alertmanager), 5, store=other)
    assert 1 == machine.open
    machine.rounds(asked(am=alertmanager), 1, store=other)
    assert 0 == machine.open


@pytest.mark.parametrize("fault", [StoreUnavailable("locked"), RuntimeError("a bug")])
def test_a_fault_is_only_logged_and_the_next_round_goes_on(machine: Machine, fault: Exception) -> None:
    class Broken(StoreReconciling):
        def unresolved(self, source: str) -> Any:
            raise fault

    machine.rounds(asked(am=ToldAlertmanager()), 1, store=Broken(machine.engine, lambda: POLICY, "me"))
    machine.rounds(asked(am=ToldAlertmanager(RuntimeError("bug"))), 1)
    machine.rounds(asked(am=ToldAlertmanager()), 1)
    assert 1 == machine.counted("looks", outcome="ok")


def test_it_asks_again_and_again_takes_new_settings_at_once_and_gives_up_a_look_to_stop(machine: Machine) -> None:
    async def main() -> None:
        old, new = ToldAlertmanager(), ToldAlertmanager()
        reconciler = machine.reconciler(asked(0.01, am=old))
        running = asyncio.create_task(reconciler.run())
        while len(old.wanted) < 3:
            await asyncio.sleep(0.01)
        reconciler.reload([replace(asked(3600, am=new), source="prod")])
        new.gate.clear()
        while not new.wanted:
            await asyncio.sleep(0.01)
        assert old.closed
        reconciler.stop()
        await running
        assert new.closed
        assert machine.another("other").acquire("prod", 1, machine.now)

    asyncio.run(main())


def test_a_lease_that_is_being_taken_while_it_stops_is_given_back(machine: Machine) -> None:
    taking, go = threading.Event(), threading.Event()

    class Slow(StoreReconciling):
        def acquire(self, *arguments: Any) -> bool:
            taking.set()
            assert go.wait(300)
            return super().acquire(*arguments)

    async def main() -> None:
        store = Slow(machine.engine, lambda: POLICY, "me")
        reconciler = machine.reconciler(asked(am=ToldAlertmanager()), store=store)
        running = asyncio.create_task(reconciler.run())
        assert await asyncio.to_thread(taking.wait, 10)
        reconciler.stop()
        await asyncio.sleep(0.05)
        go.set()
        await running
        assert machine.another("other").acquire("prod", 1, machine.now)

    asyncio.run(main())


def test_without_anybody_to_ask_it_waits_until_it_is_stopped(machine: Machine) -> None:
    async def main() -> None:
        reconciler = machine.reconciler()
        running = asyncio.create_task(reconciler.run())
        await asyncio.sleep(0.05)
        assert not running.done()
        reconciler.stop()
        await running

    asyncio.run(main())
