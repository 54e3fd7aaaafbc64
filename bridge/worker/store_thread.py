"""The store's blocking calls, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class StoreThread:
    """One thread, so that calls run one at a time, in their order, also when their caller was cancelled."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)

    def call(self, function: Callable[[*Arguments], T], *arguments: *Arguments) -> Awaitable[T]:
        """Raises RuntimeError after close()."""
        return asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def idle(self) -> Awaitable[None]:
        """Done once every call that was made before has ended. Raises RuntimeError after close()."""
        return self.call(_nothing)

    def close(self, *, wait: bool = True) -> None:
        """wait: until the calls that were made have ended."""
        self._executor.shutdown(wait=wait)


def _nothing() -> None:
    return
