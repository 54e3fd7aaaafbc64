"""Deleting what is too old is spread over many runs, so that reports of being alive go on meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge.worker.housekeeping import Housekeeping
from bridge.worker.setup import CurrentSetup
from bridge.worker.store_thread import StoreThread
from tests.builders import at


class Store:
    """Deletes so many incidents a time, and ends the worker after some runs."""

    def __init__(self, forgotten: Sequence[int], runs: int) -> None:
        self._forgotten, self._runs = list(forgotten), runs
        self.calls: list[str] = []

    def alive(self, place: str, started_at: datetime, now: datetime) -> None:
        self.calls.append("alive")

    def mend_times(self, now: datetime, ahead: timedelta) -> int:
        return 0

    def forget(self, before: datetime) -> int:
        self.calls.append("forget")
        return self._forgotten.pop(0) if self._forgotten else 0

    def forget_request_keys(self, now: datetime) -> None:
        """Once for many runs."""

    def run(self, since: datetime, now: datetime) -> Sequence[str]:
        self._runs -= 1
        return []

    @property
    def is_over(self) -> bool:
        return self._runs <= 0


async def kept(store: Store) -> None:
    values = SimpleNamespace(retention=timedelta(days=90), longest_lease=timedelta(minutes=1))
    setup = cast(CurrentSetup, SimpleNamespace(value=values))
    thread: Any = StoreThread("housekeeping")
    task = asyncio.create_task(
        Housekeeping(store, store, thread, setup, lambda: at(0), place="here 1", every_seconds=0.001).run()
    )
    while not store.is_over:
        await asyncio.sleep(0.001)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    thread.close()


@pytest.mark.parametrize(
    ("forgotten", "steps"), [([], 1), ([500, 500, 20], 4)], ids=["nothing is too old", "much is too old"]
)
def test_one_step_a_run_until_nothing_is_left(forgotten: list[int], steps: int) -> None:
    async def main() -> list[str]:
        store = Store(forgotten, 8)
        await kept(store)
        return store.calls

    calls = asyncio.run(main())
    assert calls[: 2 * steps] == ["alive", "forget"] * steps
    assert calls.count("forget") == steps
