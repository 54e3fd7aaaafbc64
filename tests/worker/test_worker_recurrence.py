"""Earlier incidents in messages: looking them up never delays a message."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.core.incidents.periods import Period
from bridge.core.model import Incident
from bridge.core.ports import ChannelCapacity, Message
from bridge.core.recurrence import WINDOW, Earlier, Recurrence
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import StoreDeliveries, StoreIntake, open_database
from bridge.worker import Setup, Worker
from bridge.worker.records import NoRecords
from tests.builders import a_group, an_alert, at
from tests.worker.machine import POLICY, RecordingChannel, now

FOUND = Recurrence(4, WINDOW, (Earlier(388, "HighErrors", Period(at(0), at(60))),))
LookUp = Callable[[Sequence[Incident]], Mapping[int, Recurrence]]


def delivered(folder: Path, look_up: LookUp, groups: int = 1) -> list[Message]:
    engine = open_database(f"sqlite:///{folder}/bridge.db")
    intake = StoreIntake(engine, lambda: POLICY, now)
    for number in range(groups):
        intake.accept(a_group(an_alert(), key=f"{number}"))
    intake.close()
    channel = RecordingChannel()

    class Records(NoRecords):
        def recurrences(self, incidents: Sequence[Incident]) -> Mapping[int, Recurrence]:
            return look_up(incidents)

    async def main() -> None:
        capacities = {"pager": ChannelCapacity("pager", 40, None, 40, 60.0)}
        setup = Setup({"pager": channel}, capacities, Renderer(None, None), timedelta(days=90))
        worker = Worker(StoreDeliveries(engine, "w"), setup, Metrics(), now, records=Records(), poll_seconds=0.05)
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(300):
            while len(channel.messages) < groups:
                await asyncio.sleep(0.02)
        worker.stop()
        await asyncio.wait_for(running, 300)

    asyncio.run(main())
    engine.dispose()
    return channel.messages


def test_incidents_claimed_together_are_looked_up_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.worker.recurrence.STORE_SECONDS", 300)
    lookups: list[list[int]] = []

    def look_up(incidents: Sequence[Incident]) -> Mapping[int, Recurrence]:
        lookups.append([each.number for each in incidents])
        return {2: FOUND}

    messages = delivered(tmp_path, look_up, groups=5)
    assert sorted(number for numbers in lookups for number in numbers) == [1, 2, 3, 4, 5]
    assert len(lookups) < 5
    assert {each.number: each.last_time for each in messages if each.last_time} == {
        2: "4th in 30 days; last #388, 1 min"
    }


def test_a_failed_lookup_does_not_delay_the_message(tmp_path: Path) -> None:
    def look_up(incidents: Sequence[Incident]) -> Mapping[int, Recurrence]:
        raise ValueError("a bug")

    (message,) = delivered(tmp_path, look_up)
    assert message.last_time == ""


def test_a_hanging_store_does_not_delay_the_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.worker.recurrence.STORE_SECONDS", 0.05)
    rendered = threading.Event()

    class NotifyingRenderer(Renderer):
        def message(self, *arguments: object, **named: object) -> Message:
            rendered.set()
            return super().message(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("tests.worker.test_worker_recurrence.Renderer", NotifyingRenderer)

    def look_up(incidents: Sequence[Incident]) -> Mapping[int, Recurrence]:
        assert rendered.wait(300)  # the message is rendered while the store still hangs
        return {1: FOUND}

    (message,) = delivered(tmp_path, look_up)
    assert message.last_time == ""
