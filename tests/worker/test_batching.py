"""Many calls, one flush."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bridge.worker.batching import Batcher


class Notes:
    """Records each flush; refuses those with a certain item."""

    def __init__(self, refused: int = 0) -> None:
        self.flushes: list[list[int]] = []
        self.refused = refused

    async def flush(self, items: Sequence[int]) -> None:
        self.flushes.append(list(items))
        if self.refused in items:
            raise OSError("full")


def test_items_added_during_the_pause_are_flushed_with_the_first() -> None:
    async def run() -> list[list[int]]:
        notes, paused, over = Notes(), asyncio.Event(), asyncio.Event()

        async def pause() -> None:
            paused.set()
            await over.wait()

        batcher = Batcher[int](notes.flush, pause)
        first = asyncio.create_task(batcher.add(1))
        await paused.wait()
        second = asyncio.create_task(batcher.add(2))
        await asyncio.sleep(0)
        over.set()
        await asyncio.gather(first, second)
        return notes.flushes

    assert asyncio.run(run()) == [[1, 2]]


def test_a_refused_item_fails_alone_and_the_next_flush_works() -> None:
    async def run() -> tuple[list[object], list[list[int]]]:
        notes = Notes(refused=2)
        batcher = Batcher[int](notes.flush)
        results = await asyncio.gather(*(batcher.add(each) for each in (1, 2, 3)), return_exceptions=True)
        await batcher.add(4)
        return [type(each) for each in results], notes.flushes

    stored = type(None)
    assert asyncio.run(run()) == ([stored, OSError, stored], [[1, 2, 3], [1], [2], [3], [4]])
