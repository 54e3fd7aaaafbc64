"""Retention, leases of dead workers, newer versions, and concurrent writers."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from bridge.core.errors import StoreUnavailable
from bridge.core.ports import ChannelCapacity, Sent
from bridge.store import (
    StoreDeliveries,
    StoreIntake,
    StoreReader,
    database,
    open_database,
)
from bridge.store.database import transaction
from tests.builders import a_group, an_alert, at
from tests.store.small_store import CAPACITIES, CHANNELS, POLICY, Clock


def test_two_writers_open_one_incident(engine: sa.Engine, clock: Clock) -> None:
    """As with two web processes on one database."""
    intakes = [StoreIntake(engine, lambda: POLICY, clock) for _ in range(2)]
    numbers: list[int] = []

    def post(intake: StoreIntake) -> None:
        for each in range(30):
            for _attempt in range(20):  # a lost race is answered with 503, and the sender retries
                try:
                    numbers.append(intake.accept(a_group(an_alert(), key=f"k-{each}")).number)
                    break
                except Exception:
                    continue

    threads = [threading.Thread(target=post, args=(intake,)) for intake in intakes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for intake in intakes:
        intake.close()
    assert (len(numbers), len(set(numbers))) == (60, 30)


def test_old_resolved_incidents_are_deleted_and_others_kept(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(), key="a"))
    intake.accept(a_group(an_alert(), key="b"))
    store.settle([(claim, Sent({})) for claim in store.claim(CAPACITIES, clock())], clock())
    intake.accept(a_group(an_alert(ends=3), key="a"))
    assert store.forget(clock.forward(1000)) == 0  # its end is not delivered yet
    store.settle([(claim, Sent({})) for claim in store.claim(CAPACITIES, clock())], clock())
    assert store.forget(clock.forward(1000)) == 1
    assert [incident.number for incident in StoreReader(engine).list_incidents()] == [2]


def test_the_next_due_time_counts_leases_and_pauses(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    assert store.next_due(clock(), CHANNELS) is None
    intake.accept(a_group(an_alert()))
    assert store.next_due(clock(), CHANNELS) == at(1)
    assert store.next_due(clock(), ("mail",)) is None
    store.claim(CAPACITIES, clock())
    assert store.next_due(clock(), CHANNELS) == at(61)


def test_the_leases_of_a_dead_worker_of_this_host_are_released_at_once(
    intake: StoreIntake, engine: sa.Engine, clock: Clock
) -> None:
    for name in "abc":
        intake.accept(a_group(an_alert(), key=name))
    workers = {"here 7": "dead", "here 8": "living", "there 7": "elsewhere"}
    for place, worker_id in workers.items():
        theirs = StoreDeliveries(engine, worker_id)
        theirs.alive(place, clock(), clock())
        theirs.claim([ChannelCapacity("pager", 1, None, 1, 600.0)], clock())
    successor = StoreDeliveries(engine, "new")
    assert successor.claim(CAPACITIES, clock()) == []
    assert successor.release_dead_leases("here", lambda pid: pid == 8, clock()) == 1
    (freed,) = successor.claim(CAPACITIES, clock())
    assert freed.unknown
    assert successor.release_dead_leases("here", lambda pid: pid == 8, clock()) == 0


def test_the_store_knows_its_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_current_head() == database.NEWEST


def test_a_database_migrated_by_a_newer_bridge_is_refused_with_an_explanation(database_url: str) -> None:
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreUnavailable, match=r"schema 9999.*a newer version has migrated it"):
        open_database(database_url)


def test_a_busy_writer_alternates_with_the_others(engine: sa.Engine) -> None:
    """Without the turn file a busy writer of one SQLite file locks the others out for seconds."""
    order: list[str] = []
    together = threading.Barrier(2)
    waiting = {name: threading.Event() for name in "ab"}

    def write(name: str, other: str) -> None:
        together.wait()
        for _ in range(30):
            waiting[name].set()
            with transaction(engine):
                order.append(name)
                waiting[name].clear()
                waiting[other].wait(300)
                time.sleep(0.02)  # the other may need time from the event to its request
        waiting[name].set()  # the other must not wait any more

    threads = [threading.Thread(target=write, args=names) for names in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if engine.dialect.name == "sqlite":
        changes = sum(1 for one, other in pairwise(order) if one != other)
        assert changes > 15
    assert sorted(order) == sorted("ab" * 30)
