"""A task that runs again and again beside the delivery loop.

Invariant: a failed run is logged and followed by the next; only stop() or a cancellation ends the task.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from bridge.core.errors import StoreUnavailable
from bridge.observability import logs

log = logs.get("worker")
Wait = Callable[[asyncio.Event, float], Awaitable[None]]


async def _wait(woken: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(woken.wait(), seconds)


class PeriodicTask:
    """Waits `every_seconds` after each run, or as many seconds as that run returned.

    The wait is on the event loop's monotonic clock: a jump of the wall clock neither stops nor hastens the task.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], Awaitable[float | None]],
        every_seconds: float,
        wait: Wait = _wait,
        **fields: str,
    ) -> None:
        """name, fields: what the log says of a failed run. every_seconds may be changed at any time."""
        self.every_seconds = every_seconds
        self._run, self._wait, self._fields = run, wait, {"task": name, **fields}
        self._woken, self._stopping = asyncio.Event(), False

    def wake(self) -> None:
        """Run again as soon as the current run has ended."""
        self._woken.set()

    def stop(self) -> None:
        """Start no further run; run() returns once the current one has ended."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            await self._wait(self._woken, await self.run_once())

    async def run_once(self) -> float:
        """Returns the seconds until the next run. Raises nothing that a run raises, except its cancellation."""
        try:
            seconds = await self._run()
        except StoreUnavailable as fault:
            log.error("store_unavailable", fault=str(fault), **self._fields)
        except Exception:
            log.exception("periodic_task_failed", **self._fields)
        else:
            return self.every_seconds if seconds is None else seconds
        return self.every_seconds
