"""Waitress with bounded connections, closing the idlest when full, and bounded request bodies."""

from __future__ import annotations

import errno
import heapq
import logging
import resource
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any

from flask import Flask
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from bridge.config.settings import Settings
from bridge.observability import logs
from bridge.processes.waitress_servers import server_on
from bridge.web.bodies import Deciding, Wanted
from bridge.web.receiving import ANSWER, Connection
from bridge.web.room import Room
from bridge.web.waiting import Waiting

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logs.get(__name__)
THREADS = 32
CONNECTIONS = 2000  #: at most, within the limit of open files
FILES = 16_384  #: the soft limit asked for, at most
OTHER_FILES = 150  #: the database's connections, logs, metrics
KEPT_FREE = 16  #: places kept free for new connections
NEWCOMERS = 64  #: unknown connections that may be accepted in one round of the loop
HEADERS = 32 * 2**10  #: bytes of a request's line and headers
CHECK_EVERY = 1.0  #: seconds
QUIET = 10.0  #: seconds between two log lines of one kind
LAST_ANSWERS = 5.0  #: seconds for the answers that are still to come when the process ends
_STARVED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Edge:
    """State shared by all connections. Used only by the receiving thread, except for log()."""

    def __init__(self, wanted: Callable[[WSGIEnvironment], Wanted], room: Room, most: int) -> None:
        """most: connections."""
        self.wanted, self.room, self._most = wanted, room, most
        self.connections: set[Connection] = set()
        self.waiting = Waiting()
        self._check_at, self._paused_until, self._starved = 0.0, 0.0, False
        self._limiter = LogLimiter()
        self._thread = 0

    @property
    def is_receiving(self) -> bool:
        """Whether the calling thread is the receiving one."""
        return get_ident() == self._thread

    @property
    def free(self) -> int:
        return self._most - len(self.connections)

    def accepts(self) -> bool:
        """Whether to accept; closes expired connections, and the idlest when few places are free."""
        now, self._thread = time.monotonic(), get_ident()
        if now >= self._check_at:
            self._check_at = now + CHECK_EVERY
            for connection in [each for each in self.connections if each.expired(now)]:
                connection.handle_close()
            self.waiting.answer_due(now)
        self.waiting.answer()
        if self.free < KEPT_FREE or self._starved:
            self._make_room(KEPT_FREE if self._starved else KEPT_FREE - self.free)
            self._starved = False
        return self.free > 0 and now >= self._paused_until

    def starve(self, fault: OSError) -> None:
        """No more file descriptors: pause accepting, and close the idlest connections in the next round.

        Not at once: events pending in this round for a closed descriptor would go to the next one of its number.
        """
        self.log("no_more_files", why=str(fault))
        self._starved, self._paused_until = True, time.monotonic() + 0.1

    def log(self, event: str, **fields: object) -> None:
        """One line of a kind per interval, with the number of suppressed ones."""
        more = self._limiter.allowed(event)
        if more is not None:
            log.warning(event, **fields, **({"more_like_it": more} if more else {}))

    def _make_room(self, count: int) -> None:
        closing = heapq.nsmallest(count, (each for each in self.connections if not each.requests), key=self._merit())
        for connection in closing:
            connection.handle_close()
        if closing:
            self.log("connections_closed_for_others", open=len(self.connections), limit=self._most)

    def _merit(self) -> Callable[[Connection], tuple[int, float]]:
        """The order of closing: lingering connections, then unauthenticated ones, then authenticated ones, of each the
        idlest first. The newest unauthenticated ones come last: they had no time to authenticate."""
        strangers = (each for each in self.connections if not each.known)
        newcomers = set(heapq.nlargest(min(NEWCOMERS, self._most // 4), strangers, key=lambda each: each.since))

        def merit(connection: Connection) -> tuple[int, float]:
            if connection.linger_until is not None:
                return 0, connection.since
            return (3 if connection in newcomers else 1 + connection.known), connection.since

        return merit


class LogLimiter:
    """Limits repeated log lines to one per interval."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def allowed(self, what: str) -> int | None:
        """The number of lines suppressed since the last one; None: suppress this one too."""
        now = time.monotonic()
        if now - self._last.get(what, -QUIET) < QUIET:
            self._suppressed[what] = self._suppressed.get(what, 0) + 1
            return None
        self._last[what] = now
        return self._suppressed.pop(what, 0)


class Quiet(logging.Filter):
    """For waitress' own log lines, some of which repeat with every request or loop iteration."""

    def __init__(self) -> None:
        super().__init__()
        self._limiter = LogLimiter()

    def filter(self, record: logging.LogRecord) -> bool:
        more = self._limiter.allowed(str(record.msg)[:200])
        if more:
            record.msg = f"{record.msg} [{more} more like it]"
        return more is not None


class Server(TcpWSGIServer):  # type: ignore[misc]
    """One listening socket."""

    channel_class = Connection

    def __init__(self, app: Any, sockets: dict[int, Any], edge: Edge, **more: Any) -> None:
        self.edge = edge
        super().__init__(app, sockets, **more)

    def readable(self) -> bool:
        return bool(self.accepting) and self.edge.accepts()

    def add_task(self, task: Connection) -> None:
        if self.edge.is_receiving and task.requests[0].at_once:
            self.edge.waiting.serve_soon(task)
        else:
            super().add_task(task)

    def pull_trigger(self) -> None:
        if not self.edge.is_receiving:  # which comes round anyway
            super().pull_trigger()

    def handle_accept(self) -> None:
        for _ in range(min(self.edge.free, NEWCOMERS)):
            try:
                pair = self.accept()
            except OSError as fault:
                if fault.errno in _STARVED:
                    self.edge.starve(fault)
                return
            if pair is None:
                return
            self._welcome(*pair)

    def _welcome(self, connection: Any, address: Any) -> None:
        try:
            self.set_socket_options(connection)
            self.channel_class(self, connection, self.fix_addr(address), self.adj, map=self._map)
        except OSError:  # the client has gone already
            connection.close()


class Threads(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Serve the requests that may take long."""

    def __init__(self, edge: Edge) -> None:
        super().__init__()
        self._edge = edge

    def shutdown(self, *arguments: Any, **more: Any) -> bool:
        ended = bool(super().shutdown(*arguments, **more))
        self._edge.waiting.finish(LAST_ANSWERS)
        return ended


def make_server(
    app: Flask, listening: Sequence[socket.socket], current: Callable[[], Settings], watched: dict[int, Any]
) -> Any:
    """run() serves until SystemExit, close() ends it. watched: asyncore's socket map, by file descriptor."""
    edge = Edge(
        Deciding(app).wanted,
        Room(lambda: current().limits.room),
        max(KEPT_FREE * 2, min(CONNECTIONS, raise_file_limit() - OTHER_FILES)),
    )
    for name in ("waitress", "waitress.queue"):
        logging.getLogger(name).addFilter(Quiet())
    serving = partial(Server, _answering(app), watched, edge)
    return server_on(listening, serving, watched, _adjustments(listening), THREADS, Threads(edge))


def _answering(app: WSGIApplication) -> WSGIApplication:
    """The application, or in its place what it has begun before."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answering: WSGIApplication = environ.pop(ANSWER, app)
        return answering(environ, start_response)

    return answer


def raise_file_limit() -> int:
    """Raise the soft limit of open files, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return FILES if soft == resource.RLIM_INFINITY else soft


def _adjustments(listening: Sequence[socket.socket]) -> Any:
    everything = 2**62
    return Adjustments(
        sockets=list(listening),
        ident=None,
        asyncore_use_poll=True,  # select() fails above descriptor 1,023, which would end the process
        clear_untrusted_proxy_headers=False,  # bridge.web.callers evaluates them
        max_request_header_size=HEADERS,
        max_request_body_size=everything,  # bridge.web.receiving enforces the limit, which a reload may change
        inbuf_overflow=everything,  # bodies are bounded, so they need no temporary file
        recv_bytes=65536,
        log_socket_errors=False,
    )
