"""The worker's sign of life: given while both its event loop and the store's thread make progress."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from bridge.worker.periodic import PeriodicTask

#: A statement may wait for a lock or a slow disk; a restarted worker would only wait for it, too.
DATABASE_SECONDS = 120.0


class Liveness:
    """Runs until it is cancelled."""

    def __init__(
        self,
        beat: Callable[[], None],
        idle: Callable[[], Awaitable[None]],
        *,
        every_seconds: float = 1.0,
        longest_seconds: float = DATABASE_SECONDS,
    ) -> None:
        """idle: done once the thread has ended what it does; RuntimeError: it has been closed.

        longest_seconds: until then, a thread that is not idle makes progress.
        """
        self._beat, self._idle, self._longest = beat, idle, longest_seconds
        self._task = PeriodicTask("liveness", self._run_once, every_seconds)
        self._probe: asyncio.Future[None] | None = None
        self._probed_at = 0.0

    async def run(self) -> None:
        await self._task.run()

    async def _run_once(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._probe is None or self._probe.done():
            self._probe, self._probed_at = self._new_probe(), now
        if now - self._probed_at < self._longest:
            self._beat()

    def _new_probe(self) -> asyncio.Future[None] | None:
        with contextlib.suppress(RuntimeError):
            return asyncio.ensure_future(self._idle())
        return None
