"""Stores outcomes, many in one commit.

Invariant: tried until it works, for an outcome that is known must not become unknown while the database is away. One
that the database refuses fails alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from bridge.core.errors import StoreRefused, StoreUnavailable
from bridge.core.ports import Claim, Deliveries, Outcome
from bridge.observability import logs
from bridge.worker.batching import Batcher
from bridge.worker.store_thread import StoreThread

log = logs.get("worker")
Settled = tuple[Claim, Outcome]
#: Once it is to stop, what failed so often is left until its lease ends: after some seconds.
STOPPING_TRIES = 4
LONGEST_WAIT = 5.0
#: Sends that end within it are settled with one commit.
TOGETHER_SECONDS = 0.01


class Settler:
    """add() returns once the outcome is stored, or raises the store's error."""

    def __init__(self, store: Deliveries, thread: StoreThread, clock: Callable[[], datetime]) -> None:
        self._store, self._thread, self._clock = store, thread, clock
        self._stopping = False
        self._batcher = Batcher[Settled](self._settle, partial(asyncio.sleep, TOGETHER_SECONDS))

    async def add(self, settled: Settled) -> None:
        await self._batcher.add(settled)

    def stop(self) -> None:
        """From now on, give up after STOPPING_TRIES."""
        self._stopping = True

    async def _settle(self, settled: Sequence[Settled]) -> None:
        tries = 0
        while True:
            try:
                await self._thread.call(self._store.settle, settled, self._clock())
                return
            except StoreUnavailable as fault:
                if isinstance(fault, StoreRefused) or (self._stopping and tries >= STOPPING_TRIES):
                    raise
                log.error("not_settled_yet", deliveries=len(settled), fault=str(fault))
            await asyncio.sleep(min(LONGEST_WAIT, 0.1 * 4 ** min(tries, 5)))
            tries += 1


class Freezer:
    """Stores the bytes of mails before they are sent, many in one commit."""

    def __init__(self, store: Deliveries, thread: StoreThread) -> None:
        self._store, self._thread = store, thread
        self._batcher = Batcher[tuple[Claim, bytes]](self._freeze)

    async def add(self, claim: Claim, frozen: bytes) -> None:
        """Returns once they are stored. Raises StoreRefused when the lease is lost."""
        await self._batcher.add((claim, frozen))

    async def _freeze(self, claims: Sequence[tuple[Claim, bytes]]) -> None:
        await self._thread.call(self._store.freeze, claims)
