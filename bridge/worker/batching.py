"""Calls that gather while one is under way and go on together: many settlements, one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """add() returns once its item was part of a successful flush, or raises what the flush raised."""

    def __init__(self, flush: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._flush = flush
        self._items: list[tuple[T, asyncio.Future[None]]] = []
        self._running: asyncio.Task[None] | None = None

    async def add(self, item: T) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._items.append((item, done))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        await done

    async def _run(self) -> None:
        while self._items:
            batch, self._items = self._items, []
            fault: Exception | None = None
            try:
                await self._flush([item for item, _ in batch])
            except Exception as raised:  # handed to everyone who waits
                fault = raised
            for _, done in batch:
                if done.done():
                    continue
                if fault is None:
                    done.set_result(None)
                else:
                    done.set_exception(fault)
