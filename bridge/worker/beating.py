"""Whether the worker still moves: its loop, and its database thread. What a liveness probe wants to know.

A database that does not answer is no reason to begin anew: what is asked of it fails in time, and that is a move.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LOOP_SILENT = 30.0  #: seconds; the loop moves every second
DATABASE_SILENT = 120.0  #: seconds; the thread is asked at least every few, and forgetting may take long


class Beats:
    """Any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loop = self._database = clock()

    async def run(self, act: Callable[[], None], every_seconds: float = 1.0) -> None:
        """Until it is cancelled; act is done at each beat."""
        while True:
            self._loop = self._clock()
            act()
            await asyncio.sleep(every_seconds)

    def database_moved(self) -> None:
        """A call came back, well or not."""
        self._database = self._clock()

    def fault(self) -> str:
        """In words; empty while both move."""
        now = self._clock()
        for name, moved, limit in (
            ("loop", self._loop, LOOP_SILENT),
            ("database thread", self._database, DATABASE_SILENT),
        ):
            if now - moved > limit:
                return f"the worker's {name} has not moved for {now - moved:.0f} s (limit {limit:.0f} s)"
        return ""
