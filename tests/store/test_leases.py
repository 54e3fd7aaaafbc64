"""A lease on a row, on both databases: with and without a holder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bridge.store.database import transaction
from bridge.store.leases import Lease
from bridge.store.tables import UtcDateTime
from tests.builders import at

MINUTE = timedelta(minutes=1)
example = sa.Table(
    "example_lease",
    sa.MetaData(),
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("until", UtcDateTime),
    sa.Column("holder", sa.String(32)),
    sa.Column("remark", sa.Text, nullable=False, server_default="kept"),
)
WITH_HOLDER = Lease(example.c.name, example.c.until, example.c.holder)
WITHOUT_HOLDER = Lease(example.c.name, example.c.until)


class World:
    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def acquire(self, lease: Lease, holder: str, seconds: float, duration: timedelta = MINUTE, name: str = "a") -> bool:
        with transaction(self.engine) as connection:
            return lease.acquire(connection, name, duration, at(seconds), holder)


@pytest.fixture
def world(engine: sa.Engine) -> Iterator[World]:
    example.create(engine)
    yield World(engine)
    example.drop(engine)


@pytest.mark.parametrize("lease", [WITH_HOLDER, WITHOUT_HOLDER])
def test_a_lease_is_exclusive_until_it_expires(world: World, lease: Lease) -> None:
    assert world.acquire(lease, "one", 0)
    assert world.acquire(lease, "other", 0, name="b")
    assert not world.acquire(lease, "other", 59)
    assert world.acquire(lease, "other", 60)
    assert not world.acquire(lease, "one", 61)


def test_only_a_lease_with_a_holder_can_be_renewed(world: World) -> None:
    assert world.acquire(WITH_HOLDER, "one", 0)
    assert world.acquire(WITH_HOLDER, "one", 50)
    assert not world.acquire(WITH_HOLDER, "other", 109)
    assert world.acquire(WITHOUT_HOLDER, "one", 200, name="b")
    assert not world.acquire(WITHOUT_HOLDER, "one", 201, name="b")


def test_a_released_lease_is_free_and_only_its_holder_releases_it(world: World) -> None:
    assert world.acquire(WITH_HOLDER, "one", 0)
    for holder, free in (("other", False), ("one", True)):
        with transaction(world.engine) as connection:
            WITH_HOLDER.release(connection, holder)
        assert world.acquire(WITH_HOLDER, "third", 1) is free


@pytest.mark.parametrize("lease", [WITH_HOLDER, WITHOUT_HOLDER])
def test_a_clock_that_was_set_back_and_a_shorter_duration_free_it(world: World, lease: Lease) -> None:
    assert world.acquire(lease, "one", 7200)
    assert world.acquire(lease, "other", 0)
    assert world.acquire(lease, "third", 1, timedelta(seconds=10))


@pytest.mark.parametrize("lease", [WITH_HOLDER, WITHOUT_HOLDER])
def test_a_process_that_waited_and_has_an_older_time_acquires_nothing(world: World, lease: Lease) -> None:
    assert world.acquire(lease, "one", 0.5)
    assert not world.acquire(lease, "other", 0)


@pytest.mark.parametrize("lease", [WITH_HOLDER, WITHOUT_HOLDER])
def test_only_one_of_many_concurrent_processes_acquires_a_lease(world: World, lease: Lease) -> None:
    acquired: list[bool] = []
    together = threading.Barrier(6)

    def acquire(holder: str) -> None:
        together.wait()
        acquired.append(world.acquire(lease, holder, 0))

    threads = [threading.Thread(target=acquire, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(acquired) == [False] * 5 + [True]


def test_other_columns_of_the_row_are_not_changed(world: World) -> None:
    world.acquire(WITH_HOLDER, "one", 0)
    with world.engine.begin() as connection:
        connection.execute(sa.update(example).values(remark="changed"))
    world.acquire(WITH_HOLDER, "one", 1)
    with world.engine.connect() as connection:
        assert connection.scalar(sa.select(example.c.remark)) == "changed"
