"""Context on its way into messages: it helps when it is there, and never stands in the way."""

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
from bridge.core.ports import ChannelCapacity, Claim, Composed, Message, Receipt
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import StoreActions, StoreDeliveries, StoreIntake, StoreReader, open_database
from bridge.worker import Setup, Worker
from bridge.worker.completing import Completer, in_words
from bridge.worker.records import NoRecords
from tests.builders import a_group, an_alert
from tests.worker.test_worker import POLICY

FACT = Fact("toxic", "Toxic share", Unit.RATIO, 0.43, datetime(2026, 1, 1, tzinfo=UTC))
SILENT = Unknown("Toxic share", "Prometheus does not answer", silent=True)


def now() -> datetime:
    return datetime.now(UTC)


class Keeps:
    """A channel that keeps the messages it was given."""

    name, kind, freezes, edits, wants_html, recipients = "pager", "pagerduty", False, True, False, ("",)

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def compose(self, message: Message, claim: Claim) -> Composed:
        return Composed({})

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        self.messages.append(message)
        return Receipt({"state": "triggered"})

    async def close(self) -> None:
        pass


class ScriptedGatherer:
    """Returns the next of its script; the last one for ever."""

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
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(said, Exception):
            raise said
        return said

    async def close(self) -> None:
        self.closed = True


def delivered(folder: Path, gatherer: ScriptedGatherer, count: int = 1) -> list[Message]:
    """What one incident's channel is sent, once it was sent `count` messages."""
    engine = open_database(f"sqlite:///{folder}/bridge.db")
    intake = StoreIntake(engine, lambda: POLICY, now)
    intake.accept(a_group(an_alert()))
    intake.close()
    people = StoreActions(engine, lambda: POLICY)
    channel = Keeps()
    capacities = {"pager": ChannelCapacity("pager", 4, None, 1, 60.0)}
    setup = Setup({"pager": channel}, capacities, Renderer(None, None), timedelta(days=90), gatherer)

    async def main() -> None:
        class Records(NoRecords):
            def add_measurements(self, number: int, text: str, *, loud: bool = True) -> None:
                people.add_measurements(number, text, now(), loud=loud)

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


def test_a_message_carries_what_was_learned(tmp_path: Path) -> None:
    context = Context(now(), facts=(FACT,))
    gatherer = ScriptedGatherer(context)
    (message,) = delivered(tmp_path, gatherer)
    assert context == message.context
    assert gatherer.closed


def test_a_fault_of_the_context_does_not_hold_the_message_up(tmp_path: Path) -> None:
    (message,) = delivered(tmp_path, ScriptedGatherer(RuntimeError("a bug")))
    assert message.context is None


def test_what_was_missing_is_told_when_it_is_known(tmp_path: Path) -> None:
    without, with_it = Context(now(), unknown=(SILENT,)), Context(now(), facts=(FACT,))
    first, second = delivered(tmp_path, ScriptedGatherer(without, without, with_it), count=2)
    assert (without, with_it) == (first.context, second.context)
    assert ["Known now: Toxic share 43 %"] == [entry.text for entry in second.news]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ((FACT,), "Known now: Toxic share 43 %"),
        ((replace(FACT, title="Pods", value=2.0, unit=Unit.COUNT, of=3.0),), "Known now: Pods 2 of 3"),
        ((), "Measured now: nothing out of the ordinary"),
        ((FACT,) * 9, "Known now: " + ", ".join(["Toxic share 43 %"] * 5)),
    ],
)
def test_what_is_known_now_in_words(facts: tuple[Fact, ...], told: str) -> None:
    assert told == in_words(facts)


def test_a_storm_is_not_asked_about_again_all_at_once() -> None:
    asked: list[int] = []

    class Gone:
        async def incident(self, number: int) -> Incident | None:
            asked.append(number)
            return None

    async def main() -> None:
        gone: Any = Gone()
        completer = Completer(gone, None, every_seconds=0.01, most=3)  # type: ignore[arg-type]
        for number in range(1, 50):
            completer.consider(an_incident(number), Context(now(), unknown=(SILENT,)))
        while len(asked) < 3:
            await asyncio.sleep(0.01)
        completer.consider(an_incident(99), Context(now(), facts=(FACT,), unknown=(Unknown("PSI", "no data"),)))
        await asyncio.sleep(0.05)
        await completer.close()

    asyncio.run(main())
    assert [1, 2, 3] == sorted(asked)


def an_incident(number: int) -> Incident:
    change = receive(None, a_group(an_alert()), now(), Rules(), "u")
    assert change is not None
    return replace(change.incident, number=number)
