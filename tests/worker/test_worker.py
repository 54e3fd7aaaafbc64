"""The loop between a store and its channels, with the real store and scripted channels."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.core.errors import Reason, SendError, StoreUnavailable
from bridge.core.ports import Receipt
from bridge.worker import Worker
from tests.builders import a_group, an_alert
from tests.worker.machine import Machine, ScriptedChannel, until_sent


def test_an_accepted_alert_is_sent_and_settled(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    channel = ScriptedChannel()
    machine.run(channel, until_sent(channel, 1))
    assert machine.status() == "delivered"
    assert channel.closed


def test_a_failure_is_retried_until_it_succeeds(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    fault = SendError(Reason.SERVER, "503", ambiguous=True)
    channel = ScriptedChannel(fault)
    machine.run(channel, until_sent(channel, 2))
    assert [(claim.attempts, claim.unknown) for claim in channel.claims] == [(0, False), (1, True)]
    assert machine.status() == "delivered"


def test_a_refused_payload_is_sent_once_more_in_short_and_then_becomes_a_dead_letter(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    refused = [SendError(Reason.PAYLOAD, "too long"), SendError(Reason.PAYLOAD, "too long")]
    channel = ScriptedChannel(*refused)
    machine.run(channel, until_sent(channel, 2))
    assert [claim.shrink for claim in channel.claims] == [False, True]
    assert machine.status() == "dead"
    assert machine.reader.deliveries(1)[0].last_error == "payload: too long"


def test_an_unfinished_send_is_stored_and_finished_later(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    channel = ScriptedChannel(Receipt({"state": "half"}, unfinished=True))
    machine.run(channel, until_sent(channel, 2))
    assert [(claim.handle, claim.unknown) for claim in channel.claims] == [({}, False), ({"state": "half"}, False)]
    assert machine.status() == "delivered"


def test_a_bug_in_a_channel_affects_no_other_delivery(machine: Machine) -> None:
    machine.accept(a_group(an_alert(), key="1"), a_group(an_alert("Down"), key="2"))
    channel = ScriptedChannel(ZeroDivisionError("oops"))
    machine.run(channel, until_sent(channel, 3))
    assert [machine.reader.deliveries(n)[0].status for n in (1, 2)] == ["delivered", "delivered"]


def test_frozen_bytes_are_stored_before_they_are_sent(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    channel = ScriptedChannel(SendError(Reason.NETWORK, "reset after the last dot", ambiguous=True), freezes=True)
    machine.run(channel, until_sent(channel, 2))
    assert [claim.frozen for claim in channel.claims] == [None, b"mail 1"]


def test_an_outcome_that_cannot_be_stored_is_stored_later(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert len(channel.claims) == 1


def test_stopping_finishes_a_send_in_progress(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    channel = ScriptedChannel()

    async def stop_in_the_middle(worker: Worker) -> None:
        channel.gate = asyncio.Event()
        while not channel.claims:
            await asyncio.sleep(0.01)
        worker.stop()
        await asyncio.sleep(0.05)
        channel.gate.set()

    machine.run(channel, stop_in_the_middle)
    assert machine.status() == "delivered"
