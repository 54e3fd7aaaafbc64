"""Whose turn it is to ping, and what the audit reads, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bridge.core.errors import StoreUnavailable
from bridge.store import StorePings
from tests.builders import an_alert, at
from tests.store.test_store_escalation import Machine

MINUTE = timedelta(minutes=1)


def test_a_turn_is_taken_once_and_then_a_minute_later(engine: sa.Engine) -> None:
    one, other = StorePings(engine), StorePings(engine)
    assert (True, at(60)) == one.acquire_turn(MINUTE, at(0))
    assert (False, at(60)) == other.acquire_turn(MINUTE, at(59))
    assert (True, at(120)) == other.acquire_turn(MINUTE, at(60))
    assert (False, at(120)) == one.acquire_turn(MINUTE, at(60))


def test_of_many_workers_at_the_same_time_one_pings(engine: sa.Engine) -> None:
    taken: list[bool] = []
    together = threading.Barrier(6)

    def take() -> None:
        together.wait()
        taken.append(StorePings(engine).acquire_turn(MINUTE, at(0))[0])

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [False] * 5 + [True] == sorted(taken)


def test_a_worker_that_looked_at_its_clock_before_it_had_to_wait_does_not_ping_too(engine: sa.Engine) -> None:
    assert (True, at(60.5)) == StorePings(engine).acquire_turn(MINUTE, at(0.5))
    assert (False, at(60.5)) == StorePings(engine).acquire_turn(MINUTE, at(0))


def test_a_clock_that_was_set_back_and_a_shorter_pace_stop_no_pings(engine: sa.Engine) -> None:
    pings = StorePings(engine)
    pings.acquire_turn(MINUTE, at(7200))
    assert (True, at(60)) == pings.acquire_turn(MINUTE, at(0))
    assert (True, at(11)) == pings.acquire_turn(timedelta(seconds=10), at(1))


def test_a_store_that_takes_no_writes_gives_no_turn(engine: sa.Engine) -> None:
    refuse(engine)
    with pytest.raises(StoreUnavailable):
        StorePings(engine).acquire_turn(MINUTE, at(0))


def refuse(engine: sa.Engine) -> None:
    """As a disk that was mounted read-only, or a standby, would."""
    words = {"postgresql": "SET default_transaction_read_only = on", "sqlite": "PRAGMA query_only = ON"}
    word = words[engine.dialect.name]

    def refusing(connection: sa.engine.interfaces.DBAPIConnection, *_: object) -> None:
        connection.cursor().execute(word)
        connection.commit()

    sa.event.listen(engine, "checkout", refusing)


def test_a_lease_that_no_worker_takes_over_grows_old(database_url: str) -> None:
    machine = Machine(database_url)
    machine.accept(at(0), an_alert())
    machine.claim(at(0))
    assert {} == machine.reader.health(at(59)).expired_lease_seconds
    assert {"pager": 340.0} == machine.reader.health(at(400)).expired_lease_seconds
    machine.send(at(401))
    assert {} == machine.reader.health(at(402)).expired_lease_seconds
    machine.engine.dispose()
