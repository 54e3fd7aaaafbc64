"""A worker whose database fails: it recovers by itself, and one broken row delays nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.core.errors import Reason, SendError, StoreRefused, StoreUnavailable
from bridge.core.ports import Claim, Composed, Message
from bridge.worker import Worker
from bridge.worker.group_commit import STOPPING_TRIES
from tests.builders import a_group, an_alert
from tests.worker.machine import Machine, ScriptedChannel, until_sent

AWAY = StoreUnavailable("the server closed the connection unexpectedly")


def failing(call: Callable[..., Any], *faults: Exception) -> Callable[..., Any]:
    """Raises the faults one after the other, and then works."""
    left = list(faults)

    def attempt(*arguments: Any) -> Any:
        if left:
            raise left.pop(0)
        return call(*arguments)

    return attempt


@pytest.mark.parametrize("fault", [AWAY, ValueError("an unreadable row")])
def test_a_failed_claim_does_not_end_the_worker(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    machine.accept(a_group(an_alert()))
    monkeypatch.setattr(machine.store, "claim", failing(machine.store.claim, fault))
    channel = ScriptedChannel()
    machine.run(channel, until_sent(channel, 1))
    assert machine.status() == "delivered"


def test_an_unreadable_incident_delays_no_other(machine: Machine) -> None:
    machine.accept(*(a_group(an_alert(name), key=name) for name in ("Broken", "Valid", "Another")))
    with machine.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alert SET labels = 'no JSON' WHERE incident_number = 1"))
    channel = ScriptedChannel()
    machine.run(channel, until_sent(channel, 2))
    assert [machine.reader.deliveries(n)[0].status for n in (1, 2, 3)] == ["sending", "delivered", "delivered"]


class LosingChannel(ScriptedChannel):
    """Another worker takes the first incident's lease while its mail is composed."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(freezes=True)
        self._engine = engine

    def compose(self, message: Message, claim: Claim) -> Composed:
        with self._engine.begin() as connection:
            connection.execute(sa.text("UPDATE delivery SET lease = 'another worker''s' WHERE incident_number = 1"))
        return super().compose(message, claim)


def test_a_mail_whose_lease_is_lost_is_not_sent(machine: Machine) -> None:
    """The worker that has the lease now composes another mail with the same Message-ID and perhaps another text."""
    machine.accept(a_group(an_alert(), key="one"), a_group(an_alert(), key="two"))
    channel = LosingChannel(machine.engine)
    machine.run(channel, until_sent(channel, 1))
    assert [claim.incident_number for claim in channel.claims] == [2]
    assert [machine.reader.deliveries(n)[0].status for n in (1, 2)] == ["sending", "delivered"]


def test_an_outcome_is_kept_until_the_database_recovers(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.accept(a_group(an_alert()))
    monkeypatch.setattr("bridge.worker.group_commit.LONGEST_WAIT", 0.01)
    settle = failing(machine.store.settle, *[AWAY] * 50)
    monkeypatch.setattr(machine.store, "settle", settle)
    channel = ScriptedChannel()

    async def until_delivered(_: Worker) -> None:
        while machine.status() != "delivered":
            await asyncio.sleep(0.01)

    machine.run(channel, until_delivered)
    assert len(channel.claims) == 1


def test_a_stopping_worker_waits_for_the_database_only_for_a_while(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.accept(a_group(an_alert()))
    monkeypatch.setattr("bridge.worker.group_commit.LONGEST_WAIT", 0.01)
    attempts: list[int] = []

    def away(*_: Any) -> None:
        attempts.append(1)
        raise AWAY

    monkeypatch.setattr(machine.store, "settle", away)
    channel = ScriptedChannel()
    machine.run(channel, until_sent(channel, 1))
    assert len(attempts) > STOPPING_TRIES
    assert machine.status() == "sending"


@pytest.mark.parametrize("fault", [StoreRefused("no such letter"), UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no")])
def test_an_outcome_refused_by_the_database_fails_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    machine.accept(*(a_group(an_alert(name), key=name) for name in ("Valid", "Broken", "Another")))
    settle = machine.store.settle

    def refusing(settled: Sequence[Any], now: datetime) -> None:
        if any(claim.incident_number == 2 for claim, _ in settled):
            raise fault
        settle(settled, now)

    monkeypatch.setattr(machine.store, "settle", refusing)
    channel = ScriptedChannel()
    machine.run(channel, until_sent(channel, 3))
    assert [machine.reader.deliveries(n)[0].status for n in (1, 2, 3)] == ["delivered", "sending", "delivered"]


def test_an_error_with_unstorable_characters_is_cleaned_and_stored(machine: Machine) -> None:
    """PostgreSQL stores no NUL, and half a surrogate pair cannot be encoded."""
    machine.accept(a_group(an_alert()))
    channel = ScriptedChannel(SendError(Reason.SERVER, "no\x00thing \ud800 works\x1b[31m"))
    machine.run(channel, until_sent(channel, 2))
    texts = [entry.text for entry in machine.reader.timeline(1)]
    assert "not delivered yet, trying again: server: nothing \ufffd works[31m" in texts
    assert machine.status() == "delivered"
