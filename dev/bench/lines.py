"""The lines of the table: which figure of which measurement, and how good it shall be."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Judged(enum.Enum):
    """What `hold` and `aim` are compared with."""

    FIGURE = "figure"
    RATIO = "ratio"  #: to Alertmanager's in the same run
    SQLITE = "sqlite"  #: the ratio to the same storm on SQLite in the same run


@dataclass(frozen=True)
class Line:
    work: str
    measurement: str
    figure: str
    hold: float
    aim: float
    judged: Judged = Judged.FIGURE
    more_is_better: bool = False
    digits: int = 0  #: after the point


_RATIO = Judged.RATIO
_CPU, _SPEED = "CPU ms per notification", "delivered/s and channel"
LINES = (
    Line("storm of {storm} × 3: deliveries a second and channel", "storm", _SPEED, 0.8, 1.2, _RATIO, True),
    Line("CPU a notification in the storm, ms", "storm", _CPU, 1.2, 0.9, _RATIO, digits=2),
    Line("50 a second, end to end: p50, ms", "latency", "all p50 ms", 2, 1.3, _RATIO, digits=1),
    Line("50 a second, end to end: p99, ms", "latency", "all p99 ms", 2, 1.3, _RATIO, digits=1),
    Line("CPU a notification at 50 a second, ms", "latency", _CPU, 2, 1, digits=2),
    Line("durable posts a second, 1 alert each", "ingest", "1 a post: posts/s", 900, 1200, more_is_better=True),
    Line("alerts a second, 20 a post", "ingest", "20 a post: alerts/s", 12_000, 16_000, more_is_better=True),
    Line("acknowledgement p99 in the storm, ms", "storm", "ack p99 ms", 100, 60),
    Line("memory in the storm (PSS, all processes), MB", "storm", "PSS MB", 120, 100),
    Line("memory idle after it, MB", "storm", "PSS MB idle after", 100, 80),
    Line("`serve` to ready, s", "start", "ready s", 1.5, 1, digits=2),
    Line("`serve` to ready, files cold, s", "start", "ready s, cold", 1.5, 1, digits=2),
    Line("first page after a start, s", "start", "first page s", 1.5, 1, digits=2),
    Line("first page after a start, files cold, s", "start", "first page s, cold", 1.5, 1, digits=2),
    Line("`bridge --help`, s", "commands", "--help s", 0.3, 0.15, digits=2),
    Line("`bridge --help`, files cold, s", "commands", "--help s, cold", 0.3, 0.15, digits=2),
    Line("`bridge route`, s", "commands", "route s", 0.5, 0.3, digits=2),
    Line("`bridge route`, files cold, s", "commands", "route s, cold", 0.5, 0.3, digits=2),
    Line("ready after kill -9 with {waiting} waiting, s", "recovery", "ready s", 2, 1, digits=2),
    Line("first page after that, s", "recovery", "first page s", 3, 1.5, digits=2),
    Line("home page with {open} open, ms", "pages", "home page ms", 50, 20),
    Line("page of an incident with {alerts} alerts, ms", "pages", "incident page ms", 30, 15),
    Line("storm on PostgreSQL, two webs, two workers", "postgresql", _SPEED, 1, 1.5, Judged.SQLITE, True),
)
