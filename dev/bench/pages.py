"""How long pages take where there is much to show, over HTTP from a bridge that runs."""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import uvloop

from bridge.store import open_database
from dev.bench import load
from dev.bench.growth.copying import copy
from dev.bench.growth.life import Life
from dev.bench.machines import DIRECT, System, running_bridge, running_sinks
from dev.bench.measuring import Figures, Size
from dev.bench.usage import cpu_seconds

SEEDS = 200
WARM, TIMES = 3, 15


@dataclass(frozen=True)
class Fetched:
    """Of one page, in milliseconds. cpu: that of all processes, so what they do meanwhile is in it."""

    wall: float
    cpu: float
    answer: bytes


def pages(name: str, size: Size) -> Figures:
    """The home page, and the page of one incident; nothing else happens meanwhile."""
    with running_sinks() as sinks, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        number = _fill(f"sqlite:///{folder}/bench.db", size.open_incidents) + 1
        with running_bridge(sinks, folder=folder) as system:
            uvloop.run(load.hammer(system.urls, system.post, [[number]], alerts=size.alerts, clients=1))
            home, incident = (fetched(system, path) for path in ("/", f"/incidents/{number}"))
    return {
        "home page ms": home.wall,
        "home page CPU ms": home.cpu,
        "incident page ms": incident.wall,
        "incident page CPU ms": incident.cpu,
    }


def _fill(url: str, incidents: int) -> int:
    """Open ones, over a day; returns the newest number."""
    engine = open_database(url)
    seeds = min(SEEDS, incidents)
    Life(engine, datetime.now(UTC) - timedelta(hours=1)).live(range(seeds), end=False)
    newest = copy(engine, seeds, incidents // seeds - 1, timedelta(days=1), own_groups=True)
    engine.dispose()
    return newest


def fetched(system: System, path: str, times: int = TIMES) -> Fetched:
    """Medians of so many after a few that do not count."""
    url = system.url.partition("/webhook")[0] + path
    for _ in range(WARM):
        answer = _get(url)
    took, before = [], cpu_seconds(*system.pids)
    for _ in range(times):
        began = time.perf_counter()
        _get(url)
        took.append(time.perf_counter() - began)
    cpu = (cpu_seconds(*system.pids) - before) / times
    return Fetched(statistics.median(took) * 1000, cpu * 1000, answer)


def _get(url: str) -> bytes:
    with DIRECT.open(url, timeout=120) as answer:
        content: bytes = answer.read()
    return content
