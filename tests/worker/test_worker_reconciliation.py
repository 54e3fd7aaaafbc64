"""The reconciler with the real store and scripted Alertmanagers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import StoreUnavailable
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.reconciliation import (
    AlertmanagerAnswer,
    AlertmanagerState,
    GracePeriods,
    Listed,
    Silence,
    StateQuery,
    Unavailable,
)
from bridge.core.routing.tree import Route
from bridge.observability.metrics import Metrics
from bridge.store import Policy, StoreIntake, StoreReconciliation, open_database
from bridge.worker.reconciliation import ReconciledSource, Reconciler, SourceReconciliation
from bridge.worker.store_thread import StoreThread
from tests.builders import a_group, an_alert, at

POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})
ONE = an_alert("One")
OLD = at(-100_000)


class ScriptedAlertmanager:
    """Returns or raises `answer` for each query."""

    def __init__(self, answer: AlertmanagerAnswer | Exception | None = None) -> None:
        self.answer: AlertmanagerAnswer | Exception = answer or having(ONE)
        self.queries: list[StateQuery] = []
        self.closed, self.gate = False, asyncio.Event()
        self.gate.set()

    async def fetch(self, query: StateQuery) -> AlertmanagerAnswer:
        self.queries.append(query)
        await self.gate.wait()
        assert not self.closed
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        self.closed = True


def having(*alerts: Any, **more: Any) -> AlertmanagerState:
    listed = [each if isinstance(each, Listed) else Listed(each) for each in alerts]
    return AlertmanagerState(OLD, {each.alert.fingerprint: each for each in listed}, **more)


class Machine:
    def __init__(self, folder: Path) -> None:
        self.engine = open_database(f"sqlite:///{folder}/bridge.db")
        self.now, self.metrics = at(10), Metrics()
        self.store = self.another("me")
        self.thread = StoreThread("database")
        intake = StoreIntake(self.engine, lambda: POLICY, lambda: at(1))
        intake.accept(a_group(ONE, key="group"))
        intake.close()

    def another(self, name: str) -> StoreReconciliation:
        return StoreReconciliation(self.engine, lambda: POLICY, name)

    def clock(self) -> Any:
        return self.now

    def reconciler(self, *sources: ReconciledSource, store: Any = None) -> Reconciler:
        return Reconciler(store or self.store, sources, self.metrics, self.clock)

    def reconciliation(self, source: ReconciledSource, store: Any = None) -> SourceReconciliation:
        self.metrics.declare_reconciled([source.name])
        return SourceReconciliation(source, store or self.store, self.thread, self.metrics, self.clock)

    def run(self, reconciliation: SourceReconciliation, count: int = 1) -> None:
        """`count` times, one minute apart."""

        async def main() -> None:
            for _ in range(count):
                await reconciliation.run_once()
                self.now += timedelta(minutes=1)

        asyncio.run(main())

    def close(self) -> None:
        self.thread.close()
        self.engine.dispose()

    @property
    def open(self) -> int:
        return len(self.store.unresolved("prod"))

    def counted(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"bridge_reconciler_{name}_total", {"source": "prod", **labels})


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


def a_source(every: float = 60.0, **alertmanagers: ScriptedAlertmanager) -> ReconciledSource:
    return ReconciledSource("prod", alertmanagers, GracePeriods(), every, 10.0)


def test_an_alert_missing_for_five_minutes_is_ended_and_counted(machine: Machine) -> None:
    alertmanager = ScriptedAlertmanager()
    reconciliation = machine.reconciliation(a_source(am=alertmanager))
    machine.run(reconciliation)
    assert alertmanager.queries == [StateQuery(frozenset([ONE.fingerprint]))]
    alertmanager.answer = having()
    machine.run(reconciliation, 5)
    assert (machine.open, machine.counted("ended_alerts")) == (1, 0)
    machine.run(reconciliation)
    assert (machine.open, machine.counted("ended_alerts")) == (0, 1)
    assert (machine.counted("looks", outcome="ok"), machine.counted("looks", outcome="fresh")) == (7, 0)


def test_an_unverified_alertmanager_ends_nothing(machine: Machine) -> None:
    unverified = ScriptedAlertmanager(having())
    machine.run(machine.reconciliation(a_source(am=unverified)), 10)
    assert (machine.open, machine.counted("looks", outcome="unrecognised")) == (1, 10)


def test_verification_survives_a_restart_but_not_a_new_address(machine: Machine) -> None:
    machine.run(machine.reconciliation(a_source(am=ScriptedAlertmanager())))
    machine.run(machine.reconciliation(a_source(elsewhere=ScriptedAlertmanager(having()))), 6)
    assert machine.open == 1
    machine.run(machine.reconciliation(a_source(am=ScriptedAlertmanager())))
    machine.run(machine.reconciliation(a_source(am=ScriptedAlertmanager(having()))), 6)
    assert machine.open == 0


def test_an_alertmanager_that_does_not_answer_prevents_ending_but_not_marking(machine: Machine) -> None:
    silenced = having(Listed(ONE, silenced_by=("s",)), silences={"s": Silence("alice", None)})
    left, right = ScriptedAlertmanager(silenced), ScriptedAlertmanager(Unavailable("does not answer"))
    reconciliation = machine.reconciliation(a_source(left=left, right=right))
    machine.run(reconciliation, 2)
    (incident,) = machine.store.unresolved("prod")
    assert (incident.alerts[ONE.fingerprint].muted, incident.revision) == ("silenced by alice", 1)
    left.answer = having()
    machine.run(reconciliation, 10)
    assert (machine.open, machine.counted("looks", outcome="unanswered")) == (1, 12)


def test_a_second_worker_does_not_query_and_starts_anew_when_it_takes_over(machine: Machine) -> None:
    alertmanager = ScriptedAlertmanager()
    source = a_source(am=alertmanager)
    mine = machine.reconciliation(source)
    theirs = machine.reconciliation(source, machine.another("other"))
    machine.run(mine)
    alertmanager.answer = having()
    theirs._absent_since = {ONE.fingerprint: at(0)}
    machine.run(theirs)
    assert (len(alertmanager.queries), theirs._absent_since) == (1, {})
    machine.now += timedelta(minutes=10)
    machine.run(theirs, 5)
    assert machine.open == 1
    machine.run(theirs)
    assert machine.open == 0


@pytest.mark.parametrize("fault", [StoreUnavailable("locked"), RuntimeError("a bug")])
def test_a_fault_is_only_logged_and_the_next_run_goes_on(machine: Machine, fault: Exception) -> None:
    class Broken(StoreReconciliation):
        def unresolved(self, source: str) -> Any:
            raise fault

    broken = Broken(machine.engine, lambda: POLICY, "me")
    machine.run(machine.reconciliation(a_source(am=ScriptedAlertmanager()), broken))
    alertmanager = ScriptedAlertmanager(RuntimeError("bug"))
    reconciliation = machine.reconciliation(a_source(am=alertmanager))
    machine.run(reconciliation)
    alertmanager.answer = having(ONE)
    machine.run(reconciliation)
    assert machine.counted("looks", outcome="ok") == 1


def test_it_queries_repeatedly_applies_new_settings_at_once_and_cancels_a_query_to_stop(machine: Machine) -> None:
    async def main() -> None:
        old, new = ScriptedAlertmanager(), ScriptedAlertmanager()
        reconciler = machine.reconciler(a_source(0.01, am=old))
        running = asyncio.create_task(reconciler.run())
        while len(old.queries) < 3:
            await asyncio.sleep(0.01)
        reconciler.reload([a_source(3600, am=new)])
        new.gate.clear()
        while not new.queries:
            await asyncio.sleep(0.01)
        assert old.closed
        reconciler.stop()
        await running
        assert new.closed
        assert machine.another("other").acquire("prod", 1, machine.now)

    asyncio.run(main())


def test_a_lease_acquired_while_stopping_is_released(machine: Machine) -> None:
    acquiring, go = threading.Event(), threading.Event()

    class Slow(StoreReconciliation):
        def acquire(self, *arguments: Any) -> bool:
            acquiring.set()
            assert go.wait(300)
            return super().acquire(*arguments)

    async def main() -> None:
        store = Slow(machine.engine, lambda: POLICY, "me")
        reconciler = machine.reconciler(a_source(am=ScriptedAlertmanager()), store=store)
        running = asyncio.create_task(reconciler.run())
        assert await asyncio.to_thread(acquiring.wait, 10)
        reconciler.stop()
        await asyncio.sleep(0.05)
        go.set()
        await running
        assert machine.another("other").acquire("prod", 1, machine.now)

    asyncio.run(main())


def test_without_sources_it_runs_until_stopped(machine: Machine) -> None:
    async def main() -> None:
        reconciler = machine.reconciler()
        running = asyncio.create_task(reconciler.run())
        await asyncio.sleep(0.05)
        assert not running.done()
        reconciler.stop()
        await running

    asyncio.run(main())
