"""A periodic task: when it runs, what a failed run does, and how it ends. No test depends on the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from bridge.core.errors import StoreUnavailable
from bridge.worker.periodic import PeriodicTask

HOUR = 3600.0


class Waits:
    """Returns at once, and stops the task after `count` waits."""

    def __init__(self, count: int) -> None:
        self.seconds: list[float] = []
        self._count = count
        self.stop: Callable[[], None] = lambda: None

    async def __call__(self, woken: asyncio.Event, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._count:
            self.stop()


class Runs:
    """Each run takes the next step: raises or returns it; then None."""

    def __init__(self, *steps: float | Exception | None) -> None:
        self.count, self._steps = 0, list(steps)

    async def __call__(self) -> float | None:
        self.count += 1
        step = self._steps.pop(0) if self._steps else None
        if isinstance(step, Exception):
            raise step
        return step


def waited(runs: Runs, count: int, **fields: str) -> list[float]:
    async def main() -> list[float]:
        waits = Waits(count)
        task = PeriodicTask("example", runs, 60.0, waits, **fields)
        waits.stop = task.stop
        await task.run()
        return waits.seconds

    return asyncio.run(main())


def test_it_waits_for_its_interval_or_the_time_that_the_run_returned() -> None:
    runs = Runs(None, 5.0, None)
    assert waited(runs, 3) == [60.0, 5.0, 60.0]
    assert runs.count == 3


@pytest.mark.parametrize(
    ("fault", "event"), [(StoreUnavailable("locked"), "store_unavailable"), (ValueError("bug"), "periodic_task_failed")]
)
def test_a_failed_run_is_logged_and_followed_by_the_next(fault: Exception, event: str) -> None:
    runs = Runs(fault)
    with capture_logs() as lines:
        assert waited(runs, 2, source="prod") == [60.0, 60.0]
    assert runs.count == 2
    assert [(line["event"], line["task"], line["source"]) for line in lines] == [(event, "example", "prod")]


def test_stop_lets_the_current_run_end_and_ends_the_wait_at_once() -> None:
    async def main() -> None:
        begun, go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def run() -> None:
            begun.set()
            await go.wait()
            ended.set()

        task = PeriodicTask("example", run, HOUR)
        running = asyncio.create_task(task.run())
        await begun.wait()
        task.stop()
        go.set()
        await running
        assert ended.is_set()

    asyncio.run(main())


def test_stop_before_the_start_runs_nothing() -> None:
    runs = Runs()

    async def main() -> None:
        task = PeriodicTask("example", runs, HOUR)
        task.stop()
        await task.run()

    asyncio.run(main())
    assert runs.count == 0


def test_wake_during_a_run_or_a_wait_starts_the_next_run() -> None:
    async def main() -> None:
        begun = asyncio.Queue[int]()

        async def run() -> None:
            begun.put_nowait(0)

        task = PeriodicTask("example", run, HOUR)
        running = asyncio.create_task(task.run())
        await begun.get()
        task.wake()
        await begun.get()
        await asyncio.sleep(0)  # it is waiting now
        task.wake()
        await begun.get()
        task.stop()
        await running

    asyncio.run(main())


def test_a_cancellation_cancels_the_run() -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def run() -> None:
            begun.set()
            await asyncio.Event().wait()

        running = asyncio.create_task(PeriodicTask("example", run, HOUR).run())
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
