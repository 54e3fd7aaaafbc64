"""The store's blocking calls, off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
_Call = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class StoreThread:
    """One thread, so that calls run one at a time, in their order, also when their caller was cancelled.

    It is an executor without its two futures a call, its locks and its search for idle threads.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, function: Callable[[*Arguments], T], *arguments: *Arguments) -> Awaitable[T]:
        """Raises RuntimeError after close()."""
        if self._closed:
            raise RuntimeError("the store's thread has been closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._calls.put((loop, done, function, arguments))
        return done

    def idle(self) -> Awaitable[None]:
        """Done once every call that was made before has ended. Raises RuntimeError after close()."""
        return self.call(_nothing)

    def close(self, *, wait: bool = True) -> None:
        """wait: until the calls that were made have ended."""
        self._closed = True
        self._calls.put(None)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            loop, done, function, arguments = call
            try:
                result, fault = function(*arguments), None
            except BaseException as raised:
                result, fault = None, raised
            try:
                loop.call_soon_threadsafe(_end, done, result, fault)
            except RuntimeError:  # the loop was closed meanwhile
                continue
            del call, done, result, fault


def _end(done: asyncio.Future[Any], result: Any, fault: BaseException | None) -> None:
    if done.done():  # its caller was cancelled
        return
    if fault is None:
        done.set_result(result)
    else:
        done.set_exception(fault)


def _nothing() -> None:
    return
