"""Putting outcomes down, many at once.

Invariant: tried until it works, for an outcome that is known must not become unknown while the database is away. One
that the database refuses fails alone, and not its neighbours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bridge.core.errors import StoreRefused, StoreUnavailable
from bridge.core.ports import Claim, Outcome
from bridge.observability import logs
from bridge.worker.batching import Batcher

log = logs.get("worker")
Settled = tuple[Claim, Outcome]
#: Once it is to stop, what failed so often is left until its lease ends: after some seconds.
STOPPING_TRIES = 4
LONGEST_WAIT = 5.0
#: Sends that end within it are settled with one commit.
TOGETHER_SECONDS = 0.01


class Settler:
    """add() returns once the outcome is stored, or raises what the store said of it."""

    def __init__(self, settle: Callable[[Sequence[Settled]], Awaitable[None]], stopping: Callable[[], bool]) -> None:
        self._settle, self._stopping = settle, stopping
        self._batcher = Batcher[Settled](self._patiently, partial(asyncio.sleep, TOGETHER_SECONDS))

    async def add(self, settled: Settled) -> None:
        await self._batcher.add(settled)

    async def _patiently(self, settled: Sequence[Settled]) -> None:
        tries = 0
        while True:
            try:
                await self._settle(settled)
                return
            except StoreUnavailable as fault:
                if isinstance(fault, StoreRefused) or (self._stopping() and tries >= STOPPING_TRIES):
                    raise
                log.error("not_settled_yet", deliveries=len(settled), fault=str(fault))
            await asyncio.sleep(min(LONGEST_WAIT, 0.1 * 4 ** min(tries, 5)))
            tries += 1
