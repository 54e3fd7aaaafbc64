"""Connections whose answer comes later, and those that the receiving thread serves itself.

Invariant: only add() and its callback run in other threads; no thread waits for a request that is answered here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, wait
from contextvars import copy_context
from typing import TYPE_CHECKING

from bridge.observability import logs
from bridge.web.deferred import Later

if TYPE_CHECKING:
    from bridge.web.receiving import Connection

log = logs.get(__name__)


class Waiting:
    """The receiving thread calls answer() in each round of its loop, last, and the end of a wait starts a round."""

    def __init__(self) -> None:
        self._for: dict[Connection, Later] = {}
        self._done: deque[tuple[Connection, Later]] = deque()
        self._woken = False
        self._at_once: deque[Connection] = deque()

    def add(self, connection: Connection, later: Later) -> None:
        """The connection's first request waits for it. Called by any thread."""
        self._for[connection] = later
        later.awaited.add_done_callback(lambda _: self._end(connection, later))

    def serve_soon(self, connection: Connection) -> None:
        """For the next serve()."""
        self._at_once.append(connection)

    def serve(self) -> None:
        while self._at_once:
            connection = self._at_once.popleft()
            if not _apart(connection.service):
                connection.handle_close()

    def answer(self) -> None:
        """All that are done."""
        self._woken = False
        while self._done:
            self._answer(*self._done.popleft())

    def answer_due(self, now: float) -> None:
        """Those that have waited for as long as they may."""
        for connection, later in list(self._for.items()):
            if now >= later.due_at:
                self._answer(connection, later)

    def finish(self, seconds: float) -> None:
        """Answer those that are done within so many seconds."""
        until = time.monotonic() + seconds
        while self._for and (left := until - time.monotonic()) > 0:
            wait([later.awaited for later in list(self._for.values())], left, FIRST_COMPLETED)
            self.answer()

    def _end(self, connection: Connection, later: Later) -> None:
        """Called by the thread that did what was waited for. Wakes the loop once for all that end together."""
        self._done.append((connection, later))
        if not self._woken:
            self._woken = True
            connection.server.pull_trigger()

    def _answer(self, connection: Connection, later: Later) -> None:
        if self._for.get(connection) is not later:
            return  # it was due before
        del self._for[connection]
        _apart(later.complete)  # even if its client has gone: it counts what was stored
        if connection.total_outbufs_len:  # the client is slow to read: writing more could wait for it
            connection.server.task_dispatcher.add_task(connection)
        elif not _apart(connection.service):
            connection.handle_close()
        self.serve()


def _apart(act: Callable[[], None]) -> bool:
    """Whether it succeeded. In a context of its own: what a request's log lines carry is not in the next one's.

    No fault of one request may end the loop, which serves all of them.
    """
    try:
        copy_context().run(act)
    except Exception as fault:
        log.error("answer_failed", exc_info=fault)
        return False
    return True
