"""Calls that gather while one is under way and go on together: many settlements, one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """add() returns once its item was part of a successful flush, or raises what the flush raised.

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
