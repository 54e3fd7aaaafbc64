"""Pinging somebody outside, beside the delivery loop, and only while the bridge's own audit is clean.

Invariant: silence is the alarm. What cannot be judged or written is not clean; a fault here is logged, and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from bridge.core.errors import StoreUnavailable
from bridge.core.health import audit, faults
from bridge.core.views import Health
from bridge.observability import logs
from bridge.observability.metrics import Metrics

log = logs.get("worker")
T = TypeVar("T")


class Outside(Protocol):
    """Who is pinged. Both answer why they were not heard, or nothing; neither raises."""

    async def well(self) -> str: ...

    async def unwell(self, reason: str) -> str: ...


class PingStore(Protocol):
    """The pinger's side of the store. Calls block."""

    def take(self, every: timedelta, now: datetime) -> tuple[bool, datetime]: ...

    def health(self, now: datetime) -> Health: ...


@dataclass(frozen=True, slots=True)
class Pinged:
    """Who is pinged, and how often."""

    outside: Outside
    every: timedelta
    overdue: timedelta  #: from then on a message that waits is late
    tell_failures: bool = False
    redact: Callable[[str], str] = str


class Pinger:
    """Runs until stop()."""

    def __init__(
        self, store: PingStore, pinged: Pinged | None, metrics: Metrics, clock: Callable[[], datetime]
    ) -> None:
        self._store, self._pinged, self._metrics, self._clock = store, pinged, metrics, clock
        self._stopping = False
        self._wake = asyncio.Event()
        self._clean: bool | None = None  # as it was logged last
        self._database = ThreadPoolExecutor(1, "pinging")

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    def reload(self, pinged: Pinged | None) -> None:
        self._pinged, self._clean = pinged, None
        self._wake.set()

    async def run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            seconds = await self._round(self._pinged) if self._pinged is not None else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)
        self._database.shutdown(wait=False)

    async def _round(self, pinged: Pinged) -> float:
        """Never raises: messages go on whatever happens here. How many seconds until the next."""
        try:
            return await self._turn(pinged)
        except Exception:
            log.exception("not_pinged")
            return pinged.every.total_seconds()

    async def _turn(self, pinged: Pinged) -> float:
        now, refused = self._clock(), ""
        mine, due = True, now + pinged.every
        try:
            mine, due = await self._in_thread(self._store.take, pinged.every, now)
        except StoreUnavailable as fault:
            refused = str(fault)
        if mine:
            health = await self._health(now)
            await self._tell(pinged, pinged.redact(faults(audit(health, pinged.overdue, refused))))
        return max(0.02, (due - self._clock()).total_seconds())

    async def _health(self, now: datetime) -> Health | None:
        try:
            return await self._in_thread(self._store.health, now)
        except StoreUnavailable:
            return None

    async def _tell(self, pinged: Pinged, wrong: str) -> None:
        turned, self._clean = (not wrong) != self._clean, not wrong
        if wrong:
            self._metrics.pinged("withheld")
            if turned:
                log.error("ping_withheld", why=wrong)
                await self._say(pinged, wrong)
            return
        unheard = await pinged.outside.well()
        self._metrics.pinged("failed" if unheard else "ok")
        if unheard:
            log.warning("ping_failed", why=unheard)
        elif turned:
            log.info("pinging")

    async def _say(self, pinged: Pinged, wrong: str) -> None:
        if pinged.tell_failures and (unheard := await pinged.outside.unwell(wrong)):
            log.warning("ping_failed", why=unheard)

    def _in_thread(self, call: Callable[..., T], *arguments: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._database, call, *arguments)
