"""Pings a monitor outside, beside the delivery loop, and only while the bridge's own audit is clean.

Invariant: silence is the alarm. What cannot be judged or written is not clean; a fault here is logged, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bridge.core.errors import StoreUnavailable
from bridge.core.health import audit, faults
from bridge.core.views import Health
from bridge.observability import logs
from bridge.observability.metrics import Metrics
from bridge.worker.periodic import PeriodicTask
from bridge.worker.store_thread import StoreThread

log = logs.get("worker")
UNCONFIGURED_SECONDS = 3600.0  #: until a reload, which wakes the task
SHORTEST_SECONDS = 0.02


class Monitor(Protocol):
    """What is pinged. Both calls return why the ping did not arrive, or an empty text; neither raises."""

    async def report_success(self) -> str: ...

    async def report_failure(self, reason: str) -> str: ...


class PingStore(Protocol):
    """The pinger's side of the store. Calls block."""

    def acquire_turn(self, every: timedelta, now: datetime) -> tuple[bool, datetime]:
        """Whether this worker pings now, and when the next ping is due."""
        ...

    def health(self, now: datetime) -> Health: ...


@dataclass(frozen=True, slots=True)
class PingTarget:
    """What is pinged, and how often."""

    monitor: Monitor
    every: timedelta
    overdue: timedelta  #: from then on a message that waits is late
    report_failures: bool = False
    redact: Callable[[str], str] = str


class Pinger:
    """Runs until stop()."""

    def __init__(
        self, store: PingStore, target: PingTarget | None, metrics: Metrics, clock: Callable[[], datetime]
    ) -> None:
        self._store, self._metrics, self._clock = store, metrics, clock
        self._thread = StoreThread("pinging")
        self._task = PeriodicTask("pings", self._run_once, UNCONFIGURED_SECONDS)
        self._take(target)

    def stop(self) -> None:
        self._task.stop()

    def reload(self, target: PingTarget | None) -> None:
        self._take(target)
        self._task.wake()

    async def run(self) -> None:
        await self._task.run()
        self._thread.close(wait=False)

    def _take(self, target: PingTarget | None) -> None:
        self._target = target
        self._clean: bool | None = None  # as it was logged last
        self._task.every_seconds = target.every.total_seconds() if target is not None else UNCONFIGURED_SECONDS

    async def _run_once(self) -> float | None:
        """Seconds until the next ping is due."""
        target = self._target
        if target is None:
            return None
        now, refused = self._clock(), ""
        mine, due = True, now + target.every
        try:
            mine, due = await self._thread.call(self._store.acquire_turn, target.every, now)
        except StoreUnavailable as fault:
            refused = str(fault)
        if mine:
            health = await self._health(now)
            await self._ping(target, target.redact(faults(audit(health, target.overdue, refused))))
        until_due = min(due - self._clock(), 2 * target.every)  # later than that, the clock was set back meanwhile
        return max(SHORTEST_SECONDS, until_due.total_seconds())

    async def _health(self, now: datetime) -> Health | None:
        try:
            return await self._thread.call(self._store.health, now)
        except StoreUnavailable:
            return None

    async def _ping(self, target: PingTarget, wrong: str) -> None:
        changed, self._clean = (not wrong) != self._clean, not wrong
        if wrong:
            self._metrics.pinged("withheld")
            if changed:
                log.error("ping_withheld", why=wrong)
                await self._report_failure(target, wrong)
            return
        fault = await target.monitor.report_success()
        self._metrics.pinged("failed" if fault else "ok")
        if fault:
            log.warning("ping_failed", why=fault)
        elif changed:
            log.info("pinging")

    async def _report_failure(self, target: PingTarget, wrong: str) -> None:
        if target.report_failures and (fault := await target.monitor.report_failure(wrong)):
            log.warning("ping_failed", why=fault)
