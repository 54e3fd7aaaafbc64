"""Calls that arrive while one is under way go on together: many settlements, one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """add() returns once its item was part of a successful flush, or raises what the flush of it alone raised: one item
    that is refused fails alone.

    pause: what to wait for before each flush, so that others may join.
    """

    def __init__(
        self, flush: Callable[[Sequence[T]], Awaitable[None]], pause: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        self._flush, self._pause = flush, pause
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
            if self._pause is not None:
                await self._pause()
            batch, self._items = self._items, []
            await self._flush_all(batch)

    async def _flush_all(self, batch: Sequence[tuple[T, asyncio.Future[None]]]) -> None:
        try:
            await self._flush([item for item, _ in batch])
        except Exception as fault:
            if len(batch) == 1:
                _finish(batch[0][1], fault)
            else:
                for each in batch:
                    await self._flush_all([each])
            return
        for _, done in batch:
            _finish(done)


def _finish(done: asyncio.Future[None], fault: Exception | None = None) -> None:
    if done.done():  # the caller was cancelled
        return
    if fault is None:
        done.set_result(None)
    else:
        done.set_exception(fault)
