"""What is kept for a year slows nothing down: it is deleted some at a time, and never read to find what is open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.store import StoreDeliveries, StoreEscalations, StoreReader, deliveries, open_database
from bridge.store.tables import incident
from tests.builders import at
from tests.store.storm_world import POLICY, World


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[sa.Engine]:
    """With so few rows PostgreSQL prefers a sequential scan."""
    engine = open_database(f"sqlite:///{tmp_path}/bridge.db")
    yield engine
    engine.dispose()


@contextmanager
def statements(engine: sa.Engine) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            seen.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", note)


def test_periodic_work_reads_what_is_open_and_not_what_is_over(sqlite: sa.Engine) -> None:
    """SQLite's plans without statistics, which the bridge never has made: what it does with a million rows."""
    World(sqlite).fire(3)
    store = StoreDeliveries(sqlite)
    with statements(sqlite) as asked:
        store.mend_times(at(2), timedelta(minutes=20))
        store.forget(at(2))
        StoreReader(sqlite).health(at(2))
        StoreEscalations(sqlite, lambda: POLICY).watch(at(2))
    with sqlite.connect() as connection:
        plans = [
            (query, "; ".join(row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given)))
            for query, given in asked
        ]
    assert len(plans) > 30
    whole = r"SCAN (incident|alert|event|delivery)\b(?! USING (COVERING )?INDEX (delivery_\w+|incident_one_open))"
    assert [(query, plan) for query, plan in plans if re.search(whole, plan)] == []


def test_the_home_page_counts_nothing_that_is_over(sqlite: sa.Engine) -> None:
    """It is asked for every 15 seconds by every browser that shows it."""
    world = World(sqlite)
    world.fire(3)
    world.send_all(6)
    world.pass_time(1)
    world.end(2)
    reader = StoreReader(sqlite)
    with statements(sqlite) as asked:
        recent = reader.recently_resolved(1)
    assert [each.number for each in recent] == [each.number for each in reader.list_incidents(resolved=True, limit=1)]
    assert [query for query, _ in asked if "count(" in query] == []


def test_what_is_too_old_is_deleted_some_at_a_time_the_oldest_first(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "FORGOTTEN", 2)
    world = World(engine)
    for name in ("a", "b", "c", "d", "e"):
        world.fire(1, name=name)
        world.pass_time(1)
    world.send_all(10)
    for name in ("e", "d", "c", "b", "a"):
        world.pass_time(1)
        world.end(1, name=name)
    world.send_all(10)
    store, left = StoreDeliveries(engine), []
    while count := store.forget(world.now):
        with engine.connect() as connection:
            left.append((count, list(connection.scalars(sa.select(incident.c.number).order_by(incident.c.number)))))
    assert left == [(2, [1, 2, 3]), (2, [1]), (1, [])]


def test_nothing_that_is_open_or_waits_is_deleted(engine: sa.Engine) -> None:
    world = World(engine)
    world.fire(2)
    world.send_all(4)
    world.end(1)  # its end is not delivered yet
    assert StoreDeliveries(engine).forget(at(10_000)) == 0
