"""Every operation at every size, on SQLite and PostgreSQL."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bridge.store import open_database
from dev.bench.databases import PLACES, Place
from dev.bench.growth import operations
from dev.bench.growth.copying import copy
from dev.bench.growth.life import Life
from dev.bench.growth.meter import Cost, Meter
from dev.bench.growth.operations import Costs

SIZES = (1_000, 100_000, 1_000_000)
SEEDS, BATCH = 200, 100
YEAR = timedelta(days=365)
SIZE = "megabytes"  #: of the database
Results = dict[str, dict[str, dict[str, Any]]]  #: database -> incidents -> operation -> cost


def measure(sizes: Sequence[int], databases: Sequence[str], folder: str | None, say: Callable[[str], None]) -> Results:
    """folder: has room for the databases, about 6 GB for a million incidents."""
    results: Results = {}
    for name in databases:
        for size in sizes:
            say(f"{name}, {size:,} incidents")
            with PLACES[name](folder) as place:
                costs, megabytes = measured(place, size)
            found: dict[str, Any] = {operation: dataclasses.asdict(cost) for operation, cost in costs.items()}
            results.setdefault(name, {})[str(size)] = {**found, SIZE: megabytes}
            say("".join(f"  {operation:35} {cost.cpu:9.1f} {cost.wall:9.1f}\n" for operation, cost in costs.items()))
    return results


def measured(place: Place, size: int) -> tuple[Costs, float]:
    now = datetime.now(UTC)
    engine = fill(place.url, size, now)
    megabytes = _megabytes(engine)
    life, meter = Life(engine, now), Meter(place.pids)
    costs = operations.of_store(life, meter)
    for _ in life.deliver():
        pass
    costs |= operations.of_pages(place.url, place.pids, now)
    costs["forget 400 incidents"] = operations.forget(life, meter)
    engine.dispose()
    return costs, megabytes


def fill(url: str, size: int, now: datetime) -> sa.Engine:
    """A year of incidents that are over; the newest ended yesterday."""
    engine = open_database(url)
    life, seeds = Life(engine, now - timedelta(days=1)), min(SEEDS, size)
    for first in range(0, seeds, BATCH):
        life.live(range(first, min(first + BATCH, seeds)))
    if copies := size // seeds - 1:
        copy(engine, seeds, copies, YEAR)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")  # as its own daemon does after a while
    return engine


def _megabytes(engine: sa.Engine) -> float:
    if engine.dialect.name == "sqlite":
        return Path(str(engine.url.database)).stat().st_size / 2**20
    with engine.connect() as connection:
        size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar()
    return float(size or 0) / 2**20


__all__ = ["SIZE", "SIZES", "Cost", "Results", "fill", "measure"]
