"""Change events on their way to channels, with the real store and a scripted sender."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import Reason, SendError, StoreUnavailable
from bridge.core.facts import ChangeEvent
from bridge.observability.metrics import Metrics
from bridge.store import StoreChangeDeliveries, StoreChanges, open_database
from bridge.worker.change_events import ChangeNotifier
from tests.builders import at


class ScriptedSender:
    lease_seconds = 30.0

    def __init__(self, *script: Exception | None) -> None:
        self.script, self.seen, self.closed = list(script), list[str](), False
        self.begun: list[str] = []
        self.gate: asyncio.Event | None = None

    async def send(self, change: ChangeEvent) -> None:
        self.begun.append(change.id)
        if self.gate is not None:
            await self.gate.wait()
        assert not self.closed
        self.seen.append(change.id)
        step = self.script.pop(0) if self.script else None
        if step is not None:
            raise step

    async def close(self) -> None:
        self.closed = True


class Machine:
    def __init__(self, folder: Path) -> None:
        self.engine = open_database(f"sqlite:///{folder}/bridge.db")
        self.store: Any = StoreChangeDeliveries(self.engine)
        self.now, self.metrics = at(0), Metrics()

    def clock(self) -> datetime:
        return self.now

    def record(self, *ids: str, channels: tuple[str, ...] = ("pager",)) -> None:
        changes = StoreChanges(self.engine, self.clock, lambda: channels)
        for each in ids:
            changes.record(ChangeEvent("deploy", "api", at(0), "v2", id=each))

    def notifier(self, **senders: ScriptedSender) -> ChangeNotifier:
        return ChangeNotifier(self.store, senders, self.metrics, self.clock, pace_seconds=0.01)

    def runs(self, count: int, **senders: ScriptedSender) -> None:
        async def main() -> None:
            notifier = self.notifier(**senders)
            for _ in range(count):
                await notifier.run_once()
                self.now += timedelta(seconds=2)

        asyncio.run(main())

    def attempts(self, result: str) -> float | None:
        labels = {"channel": "pager", "result": result}
        return self.metrics.registry.get_sample_value("bridge_change_events_total", labels)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.engine.dispose()


def test_each_run_sends_one_change_event_to_each_channel(machine: Machine) -> None:
    machine.record("a", "b", channels=("pager", "second"))
    pager, second = ScriptedSender(), ScriptedSender()
    machine.runs(1, pager=pager, second=second)
    assert (pager.seen, second.seen) == (["a"], ["a"])
    machine.runs(3, pager=pager, second=second)
    assert (pager.seen, second.seen) == (["a", "b"], ["a", "b"])
    assert (machine.attempts("ok"), machine.attempts("network")) == (2, 0)


def test_a_failure_is_retried_until_it_succeeds(machine: Machine) -> None:
    machine.record("a")
    sender = ScriptedSender(SendError(Reason.NETWORK, "down"), SendError(Reason.SERVER, "503"))
    machine.runs(6, pager=sender)
    assert sender.seen == ["a", "a", "a"]
    assert tuple(machine.attempts(result) for result in ("network", "server", "ok")) == (1, 1, 1)


@pytest.mark.parametrize("error", [SendError(Reason.PAYLOAD, "no"), SendError(Reason.DESTINATION, "no"), ValueError()])
def test_a_permanent_failure_is_attempted_once_and_blocks_no_other_event(machine: Machine, error: Exception) -> None:
    machine.record("a", "b")
    sender = ScriptedSender(error)
    machine.runs(5, pager=sender)
    assert sender.seen == ["a", "b"]


@pytest.mark.parametrize("fault", [StoreUnavailable("locked"), RuntimeError("bug")])
def test_a_failing_store_is_called_again(machine: Machine, fault: Exception) -> None:
    class Failing:
        def __init__(self, store: Any) -> None:
            self.store, self.faults = store, [fault]

        def waiting(self, channels: Any, now: datetime) -> Any:
            if self.faults:
                raise self.faults.pop()
            return self.store.waiting(channels, now)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.store, name)

    machine.record("a")
    machine.store = Failing(machine.store)
    sender = ScriptedSender()
    machine.runs(2, pager=sender)
    assert sender.seen == ["a"]


def test_a_send_in_progress_finishes_before_a_reload_closes_its_sender(machine: Machine) -> None:
    machine.record("a", "b")
    old, new = ScriptedSender(), ScriptedSender()

    async def main() -> None:
        old.gate = asyncio.Event()
        notifier = machine.notifier(pager=old)
        running = asyncio.create_task(notifier.run())
        while not old.begun:
            await asyncio.sleep(0.01)
        reloading = asyncio.create_task(notifier.reload({"pager": new}))
        await asyncio.sleep(0.05)
        assert not old.closed
        old.gate.set()
        await asyncio.wait_for(reloading, 300)
        while not new.seen:
            await asyncio.sleep(0.01)
        notifier.stop()
        await asyncio.wait_for(running, 300)

    asyncio.run(asyncio.wait_for(main(), 300))
    assert (old.seen, new.seen, old.closed, new.closed) == (["a"], ["b"], True, True)
