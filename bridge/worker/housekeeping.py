"""What a worker does beside delivering: says that it lives, watches what time brings, mends and forgets.

Invariant: a fault here is logged and looked at again at the next beat; deliveries go on whatever happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from bridge.core.delivery.retries import PAUSE_CAP
from bridge.observability import logs
from bridge.worker.duties import Duties

log = logs.get("worker")
LONGEST_AHEAD = timedelta(seconds=PAUSE_CAP) + timedelta(minutes=5)  #: nothing is put off for longer by itself
MEND_BEATS, FORGET_BEATS = 12, 720


class HousekeepingStore(Protocol):
    def alive(self, place: str, started_at: datetime, now: datetime) -> None: ...

    def mend_times(self, now: datetime, ahead: timedelta) -> int:
        """After the clock went back; how many times were further ahead than that."""
        ...

    def forget(self, before: datetime) -> int: ...


@dataclass(frozen=True)
class Housekeeping:
    """Runs until it is cancelled. `retention` and `longest_lease` ask the settings in force."""

    store: HousekeepingStore
    duties: Duties
    clock: Callable[[], datetime]
    in_thread: Callable[..., Awaitable[Any]]
    retention: Callable[[], timedelta]
    longest_lease: Callable[[], timedelta]
    place: str
    every_seconds: float

    async def run(self) -> None:
        started, beats = self.clock(), 0
        while True:
            started = min(started, self.clock())  # a clock that went back must not give heartbeats a day of grace
            try:
                await self._beat(started, beats)
            except Exception as fault:
                log.error("store_unavailable", fault=str(fault))
            beats += 1
            await asyncio.sleep(self.every_seconds)

    async def _beat(self, started: datetime, beats: int) -> None:
        now = self.clock()
        await self.in_thread(self.store.alive, self.place, started, now)
        if beats % MEND_BEATS == 0:
            await self._mend_times(now)
        if turned := await self.in_thread(self.duties.watch, started, now):
            log.warning("watched", told=turned)
        if beats % FORGET_BEATS == 0:
            await self.in_thread(self.store.forget, now - self.retention())

    async def _mend_times(self, now: datetime) -> None:
        ahead = max(LONGEST_AHEAD, 2 * self.longest_lease())
        if mended := await self.in_thread(self.store.mend_times, now, ahead):
            log.warning("clock_went_back", mended=mended)
