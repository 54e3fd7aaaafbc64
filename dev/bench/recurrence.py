"""How long it takes to find what happened before, among 100,000 incidents of the last 30 days."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa

from bridge.core.model import Incident
from bridge.core.recurrence import WINDOW
from bridge.store import StoreReader, StoreRecurrences
from dev.bench.databases import PLACES, database
from dev.bench.history import fill
from dev.bench.measuring import Figures, percentile

INCIDENTS, QUICK = 100_000, 10_000
LOOKUPS = 200
SUBJECTS = {"1,000 alerts": 1000, "20 alerts": 20, "one alert": 1}  #: that the incidents are about


def measure(quick: bool) -> dict[str, Figures]:
    """For a message, which describes the last one, and for a page, which describes five."""
    return {name: _measured(name, QUICK if quick else INCIDENTS) for name in PLACES}


def _measured(kind: str, incidents: int) -> Figures:
    figures: Figures = {}
    for name, subjects in SUBJECTS.items():
        with database(kind) as engine:
            figures |= {f"{name}: {key}": value for key, value in _lookups(engine, incidents, subjects).items()}
    return figures


def _lookups(engine: sa.Engine, incidents: int, subjects: int) -> Figures:
    begun = fill(engine, incidents, subjects, datetime.now(UTC))
    asked = [begun[number * 7 % len(begun)] for number in range(LOOKUPS)]
    store, reader = StoreRecurrences(engine), StoreReader(engine)
    figures = _timed("message", asked, lambda each: store.of([each], WINDOW))
    return figures | _timed("page", asked, lambda each: reader.recurrence(each, WINDOW))


def _timed(name: str, asked: list[Incident], look_up: Callable[[Incident], object]) -> Figures:
    took = []
    for each in asked:
        began = time.perf_counter()
        look_up(each)
        took.append(time.perf_counter() - began)
    return {f"{name} p{part} ms": percentile(took, part) * 1000 for part in (10, 50, 99)}
