"""A year's history is like the incidents that it was copied from, and what grows with it is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.store import StoreReader, open_database
from bridge.store.tables import alert, delivery, event, incident
from dev.bench.growth.copying import TABLES, copy
from dev.bench.growth.life import Life
from dev.bench.growth.measuring import YEAR, fill
from dev.bench.growth.meter import Meter
from dev.bench.growth.report import draw, number, steep, table

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SIZE = 400


@pytest.fixture
def filled(database_url: str) -> Iterator[sa.Engine]:
    engine = fill(database_url, SIZE, NOW)
    yield engine
    engine.dispose()


def test_every_incident_has_its_alerts_timeline_and_deliveries(filled: sa.Engine) -> None:
    with filled.connect() as connection:
        counts = {each.name: connection.scalar(sa.select(sa.func.count()).select_from(each)) for each in TABLES}
        of_each = sa.select(sa.func.min(sa.text("n")), sa.func.max(sa.text("n")))
        for belonging in (alert, event, delivery):
            count = sa.select(sa.func.count().label("n")).select_from(belonging).group_by(belonging.c.incident_number)
            least, most = connection.execute(of_each.select_from(count.subquery())).one()
            assert least == most > 0
    assert counts == {"incident": SIZE, "alert": 3 * SIZE, "event": 9 * SIZE, "delivery": 3 * SIZE}


def test_a_copy_is_read_like_its_original_at_its_own_time(filled: sa.Engine) -> None:
    reader = StoreReader(filled)
    original, copied = reader.incident(1), reader.incident(201)
    assert original is not None and copied is not None
    assert (copied.title, copied.state, len(copied.alerts)) == (original.title, original.state, 3)
    moved = original.opened_at - copied.opened_at
    assert YEAR / 3 < moved < YEAR
    assert copied.resolved_at is not None and original.resolved_at is not None
    assert abs(original.resolved_at - copied.resolved_at - moved) < timedelta(seconds=1)
    assert [each.kind for each in reader.timeline(201)] == [each.kind for each in reader.timeline(1)]


def test_life_goes_on_where_the_history_ends(filled: sa.Engine) -> None:
    life = Life(filled, NOW)
    life.live(range(3), end=False)
    page = StoreReader(filled).page_of_incidents(resolved=False)
    assert [each.number for each in page.items] == [SIZE + 1, SIZE + 2, SIZE + 3]
    assert life.claim() == []


def test_open_copies_are_of_groups_of_their_own(database_url: str) -> None:
    engine = open_database(database_url)
    Life(engine, NOW).live(range(5), end=False)
    assert copy(engine, 5, 3, timedelta(days=1), own_groups=True) == 20
    assert sum(count for count, _ in StoreReader(engine).open_counts().values()) == 20
    engine.dispose()


def test_retention_ends_what_is_too_old_and_all_of_it(filled: sa.Engine) -> None:
    life = Life(filled, NOW)
    while life.deliveries.forget(NOW):
        pass
    with filled.connect() as connection:
        for each in TABLES:
            assert connection.scalar(sa.select(sa.func.count()).select_from(each)) == 0, each.name
    assert incident.name == TABLES[0].name


def test_a_meter_counts_this_process_and_takes_the_median() -> None:
    done: list[int] = []
    cost = Meter().each([lambda: done.append(1)] * 5)
    assert (len(done), cost.cpu >= 0, cost.wall > 0) == (5, True, True)


def results(*cpus: float) -> dict[str, dict[str, dict[str, Any]]]:
    sizes = ("1000", "100000", "1000000")
    listed = {
        size: {"ingest": {"cpu": cpu, "wall": cpu}, "megabytes": 1.0} for size, cpu in zip(sizes, cpus, strict=True)
    }
    return {"SQLite": listed}


@pytest.mark.parametrize(
    ("cpus", "named"),
    [((6, 6, 6), []), ((6, 9, 11), []), ((6, 9, 13), ["SQLite: ingest"]), ((1, 2, 4), [])],
    ids=["flat", "wavers", "grows", "too small to notice"],
)
def test_what_grows_is_named(cpus: tuple[float, ...], named: list[str]) -> None:
    assert steep(results(*cpus)) == named


def test_the_growth_is_a_table_and_a_picture(tmp_path: Path) -> None:
    assert table(results(1, 20, 3000)).splitlines()[0] == (
        "| CPU / clock, ms | SQLite, 1,000 | SQLite, 100,000 | SQLite, 1,000,000 |"
    )
    assert "| ingest | 1.0 / 1.0 | 20.0 / 20.0 | 3,000 / 3,000 |" in table(results(1, 20, 3000))
    assert number(0.04) == "0.0"
    draw(results(1, 20, 3000), tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
