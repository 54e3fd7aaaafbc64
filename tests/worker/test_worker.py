"""The loop between a store and its channels, with the real store and scripted channels."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import Reason, SendError, StoreUnavailable
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity, Claim, Composed, Message, Receipt
from bridge.core.routing.tree import Route
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import Policy, StoreDeliveries, StoreIntake, StoreReader, open_database
from bridge.worker import Setup, Worker
from tests.builders import a_group, an_alert

POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})


class ScriptedChannel:
    """Does the next thing on its list: raises an error, gives a receipt, or takes the message."""

    kind, edits, wants_html, recipients = "pagerduty", True, False, ("",)

    def __init__(self, *script: Exception | Receipt | None, freezes: bool = False) -> None:
        self.name, self.freezes = "pager", freezes
        self.script = list(script)
        self.seen: list[Claim] = []
        self.gate: asyncio.Event | None = None
        self.closed = False

    def compose(self, message: Message, claim: Claim) -> Composed:
        return Composed(claim.frozen or f"mail {message.revision}".encode() if self.freezes else {})

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        self.seen.append(claim)
        if self.gate is not None:
            await self.gate.wait()
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        return step or Receipt({"state": "triggered"})

    async def close(self) -> None:
        self.closed = True


class Machine:
    """A worker over a database in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_database(f"sqlite:///{folder}/bridge.db")
        self.store: Any = StoreDeliveries(self.engine)
        self.reader = StoreReader(self.engine)

    def accept(self, *groups: Any) -> None:
        intake = StoreIntake(self.engine, lambda: POLICY, lambda: datetime.now(UTC))
        for group in groups:
            intake.accept(group)
        intake.close()

    def run(self, channel: ScriptedChannel, until: Callable[[Worker], Awaitable[None]]) -> None:
        capacity = ChannelCapacity("pager", 4, None, 1, 60.0)
        setup = Setup({"pager": channel}, {"pager": capacity}, Renderer(None, None), timedelta(days=90))

        async def main() -> None:
            worker = Worker(self.store, setup, Metrics(), lambda: datetime.now(UTC), poll_seconds=0.05)
            running = asyncio.create_task(worker.run())
            await asyncio.wait_for(until(worker), 300)
            worker.stop()
            await asyncio.wait_for(running, 300)

        asyncio.run(main())

    def status(self) -> str:
        return self.reader.deliveries(1)[0].status


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    machine = Machine(tmp_path)
    yield machine
    machine.engine.dispose()


def until_sent(channel: ScriptedChannel, tries: int) -> Callable[[Worker], Awaitable[None]]:
    async def wait(_worker: Worker) -> None:
        while len(channel.seen) < tries:
            await asyncio.sleep(0.01)

    return wait


def test_what_is_stored_is_sent_and_settled(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    channel = ScriptedChannel()
    machine.run(channel, until_sent(channel, 1))
    assert machine.status() == "delivered"
    assert channel.closed


def test_a_failure_is_tried_again_until_it_works(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    fault = SendError(Reason.SERVER, "503", ambiguous=True)
    channel = ScriptedChannel(fault)
    machine.run(channel, until_sent(channel, 2))
    assert [(claim.attempts, claim.unknown) for claim in channel.seen] == [(0, False), (1, True)]
    assert machine.status() == "delivered"


def test_a_refused_payload_is_sent_once_more_smaller_and_then_is_a_dead_letter(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    refused = [SendError(Reason.PAYLOAD, "too long"), SendError(Reason.PAYLOAD, "too long")]
    channel = ScriptedChannel(*refused)
    machine.run(channel, until_sent(channel, 2))
    assert [claim.shrink for claim in channel.seen] == [False, True]
    assert machine.status() == "dead"
    assert machine.reader.deliveries(1)[0].last_error == "payload: too long"


def test_what_a_channel_only_began_is_kept_and_then_finished(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    channel = ScriptedChannel(Receipt({"state": "half"}, unfinished=True))
    machine.run(channel, until_sent(channel, 2))
    assert [(claim.handle, claim.unknown) for claim in channel.seen] == [({}, False), ({"state": "half"}, False)]
    assert machine.status() == "delivered"


def test_a_bug_in_a_channel_takes_nothing_else_down(machine: Machine) -> None:
    machine.accept(a_group(an_alert(), key="1"), a_group(an_alert("Down"), key="2"))
    channel = ScriptedChannel(ZeroDivisionError("oops"))
    machine.run(channel, until_sent(channel, 3))
    assert [machine.reader.deliveries(n)[0].status for n in (1, 2)] == ["delivered", "delivered"]


def test_frozen_bytes_are_stored_before_they_are_sent(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    channel = ScriptedChannel(SendError(Reason.NETWORK, "reset after the last dot", ambiguous=True), freezes=True)
    machine.run(channel, until_sent(channel, 2))
    assert [claim.frozen for claim in channel.seen] == [None, b"mail 1"]


def test_an_outcome_that_cannot_be_written_at_once_is_written_later(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.accept(a_group(an_alert()))
    settle, refusals = machine.store.settle, [StoreUnavailable("locked"), StoreUnavailable("locked")]

    def locked(*arguments: Any) -> None:
        if refusals:
            raise refusals.pop()
        settle(*arguments)

    monkeypatch.setattr(machine.store, "settle", locked)
    channel = ScriptedChannel()
    machine.run(channel, until_sent(channel, 1))
    assert machine.status() == "delivered"
    assert len(channel.seen) == 1


def test_stopping_finishes_what_is_being_sent(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    channel = ScriptedChannel()

    async def stop_in_the_middle(worker: Worker) -> None:
        channel.gate = asyncio.Event()
        while not channel.seen:
            await asyncio.sleep(0.01)
        worker.stop()
        await asyncio.sleep(0.05)
        channel.gate.set()

    machine.run(channel, stop_in_the_middle)
    assert machine.status() == "delivered"
