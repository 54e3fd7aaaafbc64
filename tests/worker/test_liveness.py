"""The worker's sign of life: it stops when the event loop or the database's thread does, and only then."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from bridge.worker.liveness import Liveness


class World:
    """A database thread that can be held, and the beats of a worker that asks it."""

    def __init__(self) -> None:
        self.beats = 0
        self.free = threading.Event()
        self.free.set()
        self.thread = ThreadPoolExecutor(1)

    def beat(self) -> None:
        self.beats += 1

    def idle(self) -> Awaitable[None]:
        return asyncio.get_running_loop().run_in_executor(self.thread, self._wait)

    def _wait(self) -> None:
        self.free.wait(100)

    async def run(self, story: Callable[[], Awaitable[None]], longest: float = 100.0) -> None:
        liveness = Liveness(self.beat, self.idle, every_seconds=0.01, longest_seconds=longest)
        beating = asyncio.create_task(liveness.run())
        try:
            await story()
        finally:
            self.free.set()
            beating.cancel()
            self.thread.shutdown()

    async def more(self, count: int = 3) -> None:
        wanted = self.beats + count
        async with asyncio.timeout(60):
            while self.beats < wanted:
                await asyncio.sleep(0.01)

    async def no_more(self) -> None:
        """Once what was under way has passed, not one in the time of fifty."""
        async with asyncio.timeout(60):
            before = -1
            while before != self.beats:
                before = self.beats
                await asyncio.sleep(0.5)


def test_it_beats_while_both_move() -> None:
    world = World()
    asyncio.run(world.run(world.more))


def test_a_statement_that_takes_long_is_no_hanging() -> None:
    world = World()

    async def story() -> None:
        world.free.clear()
        await world.more(20)

    asyncio.run(world.run(story))


def test_a_database_thread_that_never_comes_back_ends_the_beats_until_it_moves_again() -> None:
    world = World()

    async def story() -> None:
        await world.more()
        world.free.clear()
        await world.no_more()
        world.free.set()
        await world.more()

    asyncio.run(world.run(story, longest=0.2))


def test_a_worker_that_has_ended_its_thread_and_still_closes_its_channels_moves() -> None:
    world = World()

    async def story() -> None:
        world.thread.shutdown()
        await world.more(20)

    asyncio.run(world.run(story, longest=0.2))
