"""Which worker may ping, and what the health check reads, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bridge.core.errors import StoreUnavailable
from bridge.store import StorePings
from tests.builders import an_alert, at
from tests.store.machine import Machine

MINUTE = timedelta(minutes=1)


def test_a_ping_is_due_once_and_then_a_minute_later(engine: sa.Engine) -> None:
    one, other = StorePings(engine), StorePings(engine)
    assert one.acquire_turn(MINUTE, at(0)) == (True, at(60))
    assert other.acquire_turn(MINUTE, at(59)) == (False, at(60))
    assert other.acquire_turn(MINUTE, at(60)) == (True, at(120))
    assert one.acquire_turn(MINUTE, at(60)) == (False, at(120))


def test_only_one_of_many_concurrent_workers_pings(engine: sa.Engine) -> None:
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
    assert sorted(taken) == [False] * 5 + [True]


def test_a_worker_that_read_its_clock_before_waiting_does_not_ping_too(engine: sa.Engine) -> None:
    assert StorePings(engine).acquire_turn(MINUTE, at(0.5)) == (True, at(60.5))
    assert StorePings(engine).acquire_turn(MINUTE, at(0)) == (False, at(60.5))


def test_a_clock_set_back_and_a_shorter_interval_stop_no_pings(engine: sa.Engine) -> None:
    pings = StorePings(engine)
    pings.acquire_turn(MINUTE, at(7200))
    assert pings.acquire_turn(MINUTE, at(0)) == (True, at(60))
    assert pings.acquire_turn(timedelta(seconds=10), at(1)) == (True, at(11))


def test_a_read_only_store_permits_no_ping(engine: sa.Engine) -> None:
    refuse(engine)
    with pytest.raises(StoreUnavailable):
        StorePings(engine).acquire_turn(MINUTE, at(0))


def refuse(engine: sa.Engine) -> None:
    """As on a read-only disk or a standby server."""
    words = {"postgresql": "SET default_transaction_read_only = on", "sqlite": "PRAGMA query_only = ON"}
    word = words[engine.dialect.name]

    def refusing(connection: sa.engine.interfaces.DBAPIConnection, *_: object) -> None:
        connection.cursor().execute(word)
        connection.commit()

    sa.event.listen(engine, "checkout", refusing)


def test_the_age_of_an_expired_lease_grows(database_url: str) -> None:
    machine = Machine(database_url)
    machine.accept(at(0), an_alert())
    machine.claim(at(0))
    assert machine.reader.health(at(59)).expired_lease_seconds == {}
    assert machine.reader.health(at(400)).expired_lease_seconds == {"pager": 340.0}
    machine.send(at(401))
    assert machine.reader.health(at(402)).expired_lease_seconds == {}
    machine.engine.dispose()
