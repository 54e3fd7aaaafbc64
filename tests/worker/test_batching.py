"""Many calls, one flush."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bridge.worker.batching import Batcher


class Notes:
    """Writes down each flush; fails when it is told to."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.flushes: list[list[int]] = []
        self.fault = fault

    async def flush(self, items: Sequence[int]) -> None:
        self.flushes.append(list(items))
        if self.fault is not None:
            raise self.fault


def test_what_is_added_during_the_pause_is_flushed_with_what_began_it() -> None:
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

    assert [[1, 2]] == asyncio.run(run())


def test_everyone_of_a_flush_hears_of_its_fault_and_the_next_flush_goes_on() -> None:
    async def run() -> tuple[list[object], list[list[int]]]:
        notes = Notes(OSError("full"))
        batcher = Batcher[int](notes.flush)
        heard = await asyncio.gather(batcher.add(1), batcher.add(2), return_exceptions=True)
        notes.fault = None
        await batcher.add(3)
        return [type(each) for each in heard], notes.flushes

    assert ([OSError, OSError], [[1, 2], [3]]) == asyncio.run(run())
