"""What a bridge does all day, one after the other, on a database with a history."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from bridge.core.cursors import cursor_of
from bridge.core.recurrence import WINDOW
from bridge.store import StoreReader, StoreRecurrences
from bridge.store.tables import incident
from dev.bench.growth.life import CHANNELS, Life, group
from dev.bench.growth.meter import Cost, Meter
from dev.bench.machines import System, running_bridge, running_sinks
from dev.bench.pages import fetched
from dev.bench.usage import cpu_seconds

GROUPS, TIMES, CLAIMED = 100, 30, 8
AHEAD = timedelta(minutes=30)
FORGOTTEN = 400  #: incidents that are too old, whatever the size
IDLE_SECONDS = 12.0  #: housekeeping runs every five
Costs = dict[str, Cost]


def of_store(life: Life, meter: Meter) -> Costs:
    """The groups are those that have most of the history."""
    subjects, began = range(GROUPS), life.now
    newest, update = ([group(each, began, alerts) for each in subjects] for alerts in (2, 3))
    costs = {
        "a new group": meter.each(_receiving(life, newest)),
        "a known group changes": meter.each(_receiving(life, update)),
        "when is what due next": meter.each([lambda: life.deliveries.next_due(life.now, CHANNELS)] * TIMES),
        f"claim and settle {CLAIMED} × 3": meter.each([lambda: life.settle(life.claim(CLAIMED))] * (GROUPS // CLAIMED)),
    }
    return costs | _reading(life, meter)


def _receiving(life: Life, groups: Sequence[object]) -> list[Callable[[], object]]:
    return [partial(life.receive, [each]) for each in groups]  # type: ignore[list-item]


def _reading(life: Life, meter: Meter) -> Costs:
    reader, recurrences = StoreReader(life.engine), StoreRecurrences(life.engine)
    open_ones = reader.list_incidents(resolved=False, limit=TIMES)
    known = list(life.deliveries.incidents([each.number for each in open_ones]).values())
    return {
        "what happened before": meter.each([partial(recurrences.of, [each], WINDOW) for each in known]),
        "look for times in the future": meter.each([partial(life.deliveries.mend_times, life.now, AHEAD)] * TIMES),
        "health, for /metrics": meter.each([partial(reader.health, life.now)] * TIMES),
    }


def forget(life: Life, meter: Meter) -> Cost:
    """All that is older than the oldest so many, in as many steps as it takes."""
    with life.engine.connect() as connection:
        oldest = sa.select(incident.c.updated_at).order_by(incident.c.updated_at)
        resolved = oldest.where(incident.c.state == "resolved")
        total = connection.scalar(sa.select(sa.func.count()).select_from(incident)) or 0
        before = connection.scalar(resolved.offset(min(FORGOTTEN, total // 2)).limit(1))
    assert isinstance(before, datetime)
    return meter.each([partial(_forget_all, life, before)])


def _forget_all(life: Life, before: datetime) -> None:
    while life.deliveries.forget(before):
        pass


def of_pages(url: str, pids: tuple[int, ...], now: datetime) -> Costs:
    """From a bridge that is started for it. Start to ready is time alone."""
    with running_sinks() as sinks:
        began = time.monotonic()
        with running_bridge(sinks, database=url) as system:
            costs = {"`serve` to ready": Cost(0.0, (time.monotonic() - began) * 1000)}
            return costs | _pages(replace(system, more_pids=pids), now)


def _pages(system: System, now: datetime) -> Costs:
    half_a_year = cursor_of("resolved", now - timedelta(days=182), 0)
    paths = {
        "home page": "/",
        "page of an incident": "/incidents/1",
        "list of what is over": "/resolved",
        "the same, half a year ago": f"/resolved?cursor={half_a_year}",
        "API, list of what is over": "/api/v1/incidents?resolved=true",
        "/metrics": "/metrics",
    }
    found = {name: fetched(system, path) for name, path in paths.items()}
    return {name: Cost(each.cpu, each.wall) for name, each in found.items()} | {
        "nothing happens, a second": _idle(system)
    }


def _idle(system: System) -> Cost:
    """What periodic work costs, whatever it is."""
    before = cpu_seconds(*system.pids)
    time.sleep(IDLE_SECONDS)
    used = cpu_seconds(*system.pids) - before
    return Cost(used * 1000 / IDLE_SECONDS, 1000.0)
