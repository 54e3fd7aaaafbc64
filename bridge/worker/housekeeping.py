"""What a worker does besides delivering: reports that it is alive, runs the periodic checks, mends times, deletes old
incidents.

Invariant: a fault here is logged and tried again at the next run; deliveries go on whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from bridge.core.delivery.retries import PAUSE_CAP
from bridge.observability import logs
from bridge.worker.periodic import PeriodicTask
from bridge.worker.records import PeriodicChecks
from bridge.worker.setup import CurrentSetup
from bridge.worker.store_thread import StoreThread

log = logs.get("worker")
LONGEST_AHEAD = timedelta(seconds=PAUSE_CAP) + timedelta(minutes=5)  #: nothing is put off for longer by itself
MEND_EVERY, FORGET_EVERY = 12, 720  #: runs


class HousekeepingStore(Protocol):
    """Calls block."""

    def alive(self, place: str, started_at: datetime, now: datetime) -> None: ...

    def mend_times(self, now: datetime, ahead: timedelta) -> int:
        """After the clock went back; returns how many times were further ahead than that."""
        ...

    def forget(self, before: datetime) -> int:
        """Some at a time; returns how many incidents, 0 when none is left."""
        ...

    def forget_request_keys(self, now: datetime) -> None: ...


class Housekeeping:
    """Runs until it is cancelled."""

    def __init__(
        self,
        store: HousekeepingStore,
        checks: PeriodicChecks,
        thread: StoreThread,
        setup: CurrentSetup,
        clock: Callable[[], datetime],
        *,
        place: str,
        every_seconds: float,
    ) -> None:
        self._store, self._checks, self._thread, self._setup, self._clock = store, checks, thread, setup, clock
        self._place, self._started, self._runs = place, clock(), 0
        self._more_to_forget = False  # a shorter retention may end hundreds of thousands: some in each run
        self._task = PeriodicTask("housekeeping", self._run_once, every_seconds)

    async def run(self) -> None:
        self._started = self._clock()
        await self._task.run()

    async def _run_once(self) -> None:
        runs, now = self._runs, self._clock()
        self._runs += 1
        self._started = min(self._started, now)  # a clock that went back must not give heartbeats a day of grace
        await self._thread.call(self._store.alive, self._place, self._started, now)
        if runs % MEND_EVERY == 0:
            await self._mend_times(now)
        if changes := await self._thread.call(self._checks.run, self._started, now):
            log.warning("checks_changed_state", changes=changes)
        if runs % FORGET_EVERY == 0 or self._more_to_forget:
            forgotten = await self._thread.call(self._store.forget, now - self._setup.value.retention)
            self._more_to_forget = forgotten > 0
        if runs % FORGET_EVERY == 0:
            await self._thread.call(self._store.forget_request_keys, now)

    async def _mend_times(self, now: datetime) -> None:
        ahead = max(LONGEST_AHEAD, 2 * self._setup.value.longest_lease)
        if mended := await self._thread.call(self._store.mend_times, now, ahead):
            log.warning("clock_went_back", mended=mended)
