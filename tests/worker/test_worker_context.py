"""Context in messages: it is included when there is some, and never delays a message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.facts import ChangeEvent, Context, Fact, Unit, Unknown
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Incident
from bridge.core.ports import ChannelCapacity, Message
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import StoreActions, StoreDeliveries, StoreIntake, StoreReader, open_database
from bridge.worker import Setup, Worker
from bridge.worker.completing import Completer, in_words
from bridge.worker.records import NoRecords
from tests.builders import a_group, an_alert
from tests.worker.machine import POLICY, RecordingChannel, now

FACT = Fact("toxic", "Toxic share", Unit.RATIO, 0.43, datetime(2026, 1, 1, tzinfo=UTC))
SILENT = Unknown("Toxic share", "Prometheus does not answer", silent=True)


class ScriptedGatherer:
    """Returns the next step of its script, and the last one again and again."""

    def __init__(self, *script: Context | Exception) -> None:
        self.script = list(script)
        self.closed = False

    async def gather(
        self,
        incident: Incident,
        changes: Sequence[ChangeEvent],
        *,
        known: bool = True,
        learned: Sequence[Fact | Unknown] = (),
    ) -> Context:
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step

    async def close(self) -> None:
        self.closed = True


def delivered(folder: Path, gatherer: ScriptedGatherer, count: int = 1) -> list[Message]:
    """The first `count` messages of one incident."""
    engine = open_database(f"sqlite:///{folder}/bridge.db")
    intake = StoreIntake(engine, lambda: POLICY, now)
    intake.accept(a_group(an_alert()))
    intake.close()
    actions = StoreActions(engine, lambda: POLICY)
    channel = RecordingChannel()
    capacities = {"pager": ChannelCapacity("pager", 4, None, 1, 60.0)}
    setup = Setup({"pager": channel}, capacities, Renderer(None, None), timedelta(days=90), gatherer)

    async def main() -> None:
        class Records(NoRecords):
            def add_measurements(self, number: int, text: str, *, loud: bool = True) -> None:
                actions.add_measurements(number, text, now(), loud=loud)

        worker = Worker(StoreDeliveries(engine, "w"), setup, Metrics(), now, records=Records(), poll_seconds=0.05)
        worker._completer._every = 0.05
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(300):
            while len(channel.messages) < count:
                await asyncio.sleep(0.02)
        worker.stop()
        await asyncio.wait_for(running, 300)

    asyncio.run(main())
    news = [entry.text for entry in StoreReader(engine).timeline(1) if entry.kind == "learned"]
    assert news == [entry.text for message in channel.messages[1:] for entry in message.news if entry.kind == "learned"]
    engine.dispose()
    return channel.messages


def test_a_message_carries_its_context(tmp_path: Path) -> None:
    context = Context(now(), facts=(FACT,))
    gatherer = ScriptedGatherer(context)
    (message,) = delivered(tmp_path, gatherer)
    assert message.context == context
    assert gatherer.closed


def test_a_failure_of_the_context_does_not_delay_the_message(tmp_path: Path) -> None:
    (message,) = delivered(tmp_path, ScriptedGatherer(RuntimeError("a bug")))
    assert message.context is None


def test_a_missing_fact_is_notified_when_it_is_known(tmp_path: Path) -> None:
    without, with_it = Context(now(), unknown=(SILENT,)), Context(now(), facts=(FACT,))
    first, second = delivered(tmp_path, ScriptedGatherer(without, without, with_it), count=2)
    assert (first.context, second.context) == (without, with_it)
    assert [entry.text for entry in second.news] == ["Known now: Toxic share 43 %"]


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ((FACT,), "Known now: Toxic share 43 %"),
        ((replace(FACT, title="Pods", value=2.0, unit=Unit.COUNT, of=3.0),), "Known now: Pods 2 of 3"),
        ((), "Measured now: nothing out of the ordinary"),
        ((FACT,) * 9, "Known now: " + ", ".join(["Toxic share 43 %"] * 5)),
    ],
)
def test_new_facts_in_words(facts: tuple[Fact, ...], text: str) -> None:
    assert in_words(facts) == text


def test_the_incidents_of_a_storm_are_not_all_queried_again() -> None:
    queried: list[int] = []

    class Gone:
        async def incident(self, number: int) -> Incident | None:
            queried.append(number)
            return None

    async def main() -> None:
        gone: Any = Gone()
        completer = Completer(gone, None, every_seconds=0.01, most=3)  # type: ignore[arg-type]
        for number in range(1, 50):
            completer.consider(an_incident(number), Context(now(), unknown=(SILENT,)))
        while len(queried) < 3:
            await asyncio.sleep(0.01)
        completer.consider(an_incident(99), Context(now(), facts=(FACT,), unknown=(Unknown("PSI", "no data"),)))
        await asyncio.sleep(0.05)
        await completer.close()

    asyncio.run(main())
    assert sorted(queried) == [1, 2, 3]


def an_incident(number: int) -> Incident:
    change = receive(None, a_group(an_alert()), now(), Rules(), "u")
    assert change is not None
    return replace(change.incident, number=number)
