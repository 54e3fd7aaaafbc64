"""The store's thread runs one call at a time, in order, whatever its callers do."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bridge.worker.store_thread import StoreThread


def test_calls_run_in_order_and_a_cancelled_call_ends_before_the_next_begins() -> None:
    order: list[str] = []
    begun, go = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        assert go.wait(60)
        order.append("slow")

    async def main() -> None:
        thread = StoreThread("example")

        async def call() -> None:
            await thread.call(slow)

        calling = asyncio.create_task(call())
        assert await asyncio.to_thread(begun.wait, 60)
        calling.cancel()
        following = thread.call(order.append, "next")
        go.set()
        await following
        thread.close()

    asyncio.run(main())
    assert order == ["slow", "next"]


def test_idle_returns_after_earlier_calls_and_fails_after_close() -> None:
    done: list[int] = []

    async def main() -> None:
        thread = StoreThread("example")
        thread.call(done.append, 1)
        await thread.idle()
        assert done == [1]
        thread.close()
        with pytest.raises(RuntimeError):
            thread.idle()

    asyncio.run(main())


def test_an_exception_in_a_call_reaches_its_caller() -> None:
    async def main() -> None:
        thread = StoreThread("example")
        with pytest.raises(ValueError, match="invalid literal"):
            await thread.call(int, "no number")
        thread.close()

    asyncio.run(main())
