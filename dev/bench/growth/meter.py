"""What one call costs: the clock's time, and the CPU of this process and of the database's server."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dev.bench.usage import cpu_seconds


@dataclass(frozen=True)
class Cost:
    """Milliseconds of one call."""

    cpu: float
    wall: float


class Meter:
    """pids: of the database's server, whose CPU is known in hundredths of a second: call often."""

    def __init__(self, pids: tuple[int, ...] = ()) -> None:
        self._pids = pids

    def each(self, calls: Iterable[Callable[[], object]]) -> Cost:
        """Medians; of the server's CPU, the mean."""
        walls, cpus, server = [], [], self._server()
        for call in calls:
            began, used = time.perf_counter(), time.process_time()
            call()
            walls.append(time.perf_counter() - began)
            cpus.append(time.process_time() - used)
        per_call = (self._server() - server) / len(walls)
        return Cost((statistics.median(cpus) + per_call) * 1000, statistics.median(walls) * 1000)

    def _server(self) -> float:
        return cpu_seconds(*self._pids) if self._pids else 0.0
