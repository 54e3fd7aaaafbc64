"""What time and other processes do to the store: retention, leases, newer versions, waiting writers."""

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
    """As two web processes on one database do."""
    intakes = [StoreIntake(engine, lambda: POLICY, clock) for _ in range(2)]
    numbers: list[int] = []

    def post(intake: StoreIntake) -> None:
        for each in range(30):
            for _attempt in range(20):  # a lost race is answered 503, and the sender sends again
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
    assert (60, 30) == (len(numbers), len(set(numbers)))


def test_old_resolved_incidents_are_forgotten_and_others_kept(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(), key="a"))
    intake.accept(a_group(an_alert(), key="b"))
    store.settle([(claim, Sent({})) for claim in store.claim(CAPACITIES, clock())], clock())
    intake.accept(a_group(an_alert(ends=3), key="a"))
    assert 0 == store.forget(clock.forward(1000))  # its end is still to be told
    store.settle([(claim, Sent({})) for claim in store.claim(CAPACITIES, clock())], clock())
    assert 1 == store.forget(clock.forward(1000))
    assert [2] == [incident.number for incident in StoreReader(engine).list_incidents()]


def test_the_next_due_time_counts_leases_and_pauses(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    assert store.next_due(clock(), CHANNELS) is None
    intake.accept(a_group(an_alert()))
    assert at(1) == store.next_due(clock(), CHANNELS)
    assert store.next_due(clock(), ("mail",)) is None
    store.claim(CAPACITIES, clock())
    assert at(61) == store.next_due(clock(), CHANNELS)


def test_what_a_dead_worker_of_this_host_was_sending_is_free_at_once(
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
    assert [] == successor.claim(CAPACITIES, clock())
    assert 1 == successor.release_dead_leases("here", lambda pid: pid == 8, clock())
    (freed,) = successor.claim(CAPACITIES, clock())
    assert freed.unknown
    assert 0 == successor.release_dead_leases("here", lambda pid: pid == 8, clock())


def test_the_store_knows_its_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).with_name("migrations")))
    assert database.NEWEST == ScriptDirectory.from_config(config).get_current_head()


def test_a_database_that_a_newer_bridge_has_migrated_is_refused_with_words(database_url: str) -> None:
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreUnavailable, match=r"schema 9999.*a newer version has migrated it"):
        open_database(database_url)


def test_a_writer_that_is_back_at_once_lets_the_others_in(engine: sa.Engine) -> None:
    """Without turns a busy writer of one SQLite file shuts the others out for seconds."""
    turns: list[str] = []
    together = threading.Barrier(2)
    asking = {name: threading.Event() for name in "ab"}

    def write(name: str, other: str) -> None:
        together.wait()
        for _ in range(30):
            asking[name].set()
            with transaction(engine):
                turns.append(name)
                asking[name].clear()
                asking[other].wait(300)
                time.sleep(0.02)  # from what it says to what it does
        asking[name].set()  # there is nobody to wait for any more

    threads = [threading.Thread(target=write, args=names) for names in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if engine.dialect.name == "sqlite":
        changes = sum(1 for one, other in pairwise(turns) if one != other)
        assert changes > 15
    assert sorted("ab" * 30) == sorted(turns)
