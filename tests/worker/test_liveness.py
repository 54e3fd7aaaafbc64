"""The worker's beats stop when the event loop or the database thread hangs, and only then."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from bridge.worker.liveness import Liveness


class World:
    """A database thread that can be blocked, and the beats of a worker that checks it."""

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

    async def run(self, scenario: Callable[[], Awaitable[None]], longest: float = 100.0) -> None:
        liveness = Liveness(self.beat, self.idle, every_seconds=0.01, longest_seconds=longest)
        beating = asyncio.create_task(liveness.run())
        try:
            await scenario()
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
        """After beats in progress, none in the time of fifty."""
        async with asyncio.timeout(60):
            before = -1
            while before != self.beats:
                before = self.beats
                await asyncio.sleep(0.5)


def test_it_beats_while_event_loop_and_database_thread_work() -> None:
    world = World()
    asyncio.run(world.run(world.more))


def test_a_long_statement_does_not_stop_the_beats() -> None:
    world = World()

    async def scenario() -> None:
        world.free.clear()
        await world.more(20)

    asyncio.run(world.run(scenario))


def test_a_hanging_database_thread_stops_the_beats_until_it_works_again() -> None:
    world = World()

    async def scenario() -> None:
        await world.more()
        world.free.clear()
        await world.no_more()
        world.free.set()
        await world.more()

    asyncio.run(world.run(scenario, longest=0.2))


def test_it_beats_while_a_stopping_worker_closes_its_channels() -> None:
    world = World()

    async def scenario() -> None:
        world.thread.shutdown()
        await world.more(20)

    asyncio.run(world.run(scenario, longest=0.2))
