"""The frequent queries of the worker read pending rows, not everything that was ever delivered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.core.cursors import cursor_of
from bridge.core.delivery.dead_letters import DeadLetterFilter
from bridge.core.errors import Reason
from bridge.core.ports import ChannelCapacity, RetryAt
from bridge.store import StoreChangeDeliveries, StoreChanges, StoreDeliveries, StoreReader, StoreStorms, open_database
from bridge.store.tables import channel_state
from tests.builders import at
from tests.store.statements import reads, statements
from tests.store.storm_world import CAPACITY, POLICY, World


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    """SQLite only: with so few rows PostgreSQL prefers a sequential scan."""
    engine = open_database(f"sqlite:///{tmp_path}/bridge.db")
    yield engine
    engine.dispose()


def plans(engine: sa.Engine, asked: Sequence[tuple[str, Any]]) -> list[str]:
    with engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given)
            for query, given in asked
            if query.startswith("SELECT")
        ]
        return ["; ".join(row.detail for row in rows) for rows in found]


def test_a_claim_reads_the_pending_deliveries_of_its_channel_in_order(engine: sa.Engine) -> None:
    with statements(engine) as asked:
        StoreDeliveries(engine).claim([ChannelCapacity("pager", 10, None, 10, 60.0)], at(1))
    doubt, plan = [plan for plan in plans(engine, asked) if "delivery" in plan]
    assert doubt.startswith("SEARCH delivery USING")
    assert doubt.endswith("INDEX delivery_failed (channel=?)")
    assert plan == "SEARCH delivery USING INDEX delivery_pending (channel=?)"


@pytest.mark.parametrize("failing", [False, True], ids=["works", "fails"])
def test_a_claim_reads_failures_once_and_not_for_each_delivery(engine: sa.Engine, failing: bool) -> None:
    world, store = World(engine), StoreDeliveries(engine)
    world.fire(5)
    store.settle([(claim, RetryAt(at(2), Reason.SERVER, "HTTP 500")) for claim in world.claim()], world.now)
    with engine.begin() as connection:
        connection.execute(sa.update(channel_state).values(failing=failing))
    with statements(engine) as asked:
        assert store.claim([ChannelCapacity("slack", 10, None, 10, 60.0)], at(100))
    found = [plan for plan in plans(engine, asked) if "delivery_failed" in plan]
    assert len(found) >= 2
    assert [plan for plan in found if "CORRELATED" in plan or "SCAN delivery" in plan] == []


def test_a_claim_of_changes_reads_pending_ones_only(engine: sa.Engine) -> None:
    with statements(engine) as asked:
        StoreChangeDeliveries(engine).waiting(["pager"], at(1))
    changes, messages = plans(engine, asked)
    assert "change_delivery_pending (channel=? AND due_at<?)" in changes
    assert "delivery_pending (channel=?)" in messages


def test_a_page_of_a_long_list_reads_only_its_own_rows(engine: sa.Engine) -> None:
    reader, changes = StoreReader(engine), StoreChanges(engine, lambda: at(0))
    resolved, dead, changed = (cursor_of(kind, at(0), *rest) for kind, rest in PLACES.items())
    with statements(engine) as asked:
        for after in (None, cursor_of("open", 3, 7)):
            reader.page_of_incidents(resolved=False, after=after)
        for after in (None, resolved):
            reader.page_of_incidents(resolved=True, after=after)
        for after in (None, dead):
            reader.page_of_dead_letters(DeadLetterFilter(), 100, after)
        for after in (None, changed):
            changes.page_of_changes(100, after)
        reader.open_counts()
    found = [(query, plan) for (query, _), plan in zip(reads(asked), plans(engine, asked), strict=True)]
    assert [plan for _, plan in found if re.search(r"SCAN (incident|delivery|change|event)\b(?! USING)", plan)] == []
    sorts = [query for query, plan in found if "TEMP B-TREE" in plan and "UNION ALL" not in query]
    assert sorts == []


PLACES: dict[str, tuple[Any, ...]] = {"resolved": (7,), "dead": (7, "mail", "a@x.org"), "change": ("1",)}


def test_storms_read_pending_deliveries_only(engine: sa.Engine) -> None:
    World(engine).fire(10)
    with statements(engine) as asked:
        StoreStorms(engine, lambda: POLICY).watch(at(1))
        StoreDeliveries(engine).claim([CAPACITY], at(1))
        StoreReader(engine).page_of_held("slack", at(1))
        StoreReader(engine).health(at(1))
    counting = [(query, given) for query, given in asked if "delivery.sent = " in query]
    assert len(counting) > 5
    assert [plan for plan in plans(engine, counting) if "delivery_pending" not in plan] == []
