"""Waitress, with an edge of its own: bounded connections, of which the idlest make room, and bounded bodies."""

from __future__ import annotations

import errno
import heapq
import logging
import resource
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from flask import Flask
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from bridge.config.settings import Settings
from bridge.observability import logs
from bridge.processes.waitress_servers import server_on
from bridge.web.bodies import Wanted, wanted_of
from bridge.web.receiving import Connection
from bridge.web.room import Room

log = logs.get(__name__)
THREADS = 32
CONNECTIONS = 2000  #: at most, and as many as the limit of open files leaves
FILES = 16_384  #: more than this is not asked for, however high the hard limit is
OTHER_FILES = 150  #: the database's connections, logs, metrics
KEPT_FREE = 16  #: places for those who come
NEWCOMERS = 64  #: so many unknown connections may be accepted in a turn of the loop
HEADERS = 32 * 2**10  #: bytes of a request's line and headers
LOOK_EVERY = 1.0  #: seconds
QUIET = 10.0  #: seconds between two lines of one kind
_STARVED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Edge:
    """What all connections share. Used by the one thread that receives, but for log()."""

    def __init__(self, wanted: Callable[[Mapping[str, Any]], Wanted], room: Room, most: int) -> None:
        """most: connections."""
        self.wanted, self.room, self._most = wanted, room, most
        self.connections: set[Connection] = set()
        self._look_at, self._paused_until, self._starved = 0.0, 0.0, False
        self._silence = Silence()

    @property
    def free(self) -> int:
        return self._most - len(self.connections)

    def accepts(self) -> bool:
        """Closes what has expired, and the idlest when few places are free."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            for connection in [each for each in self.connections if each.expired(now)]:
                connection.handle_close()
        if self.free < KEPT_FREE or self._starved:
            self._make_room(KEPT_FREE if self._starved else KEPT_FREE - self.free)
            self._starved = False
        return self.free > 0 and now >= self._paused_until

    def starve(self, fault: OSError) -> None:
        """The system gives no more files: accepting rests for a moment, and those who wait longest will make room.

        Not here: what waits in this turn of the loop for one of their files would go to whoever gets its number next.
        """
        self.log("no_more_files", why=str(fault))
        self._starved, self._paused_until = True, time.monotonic() + 0.1

    def log(self, event: str, **fields: object) -> None:
        """One line of a kind in a while, with how many more there were."""
        more = self._silence.broken(event)
        if more is not None:
            log.warning(event, **fields, **({"more_like_it": more} if more else {}))

    def _make_room(self, count: int) -> None:
        closing = heapq.nsmallest(count, (each for each in self.connections if not each.requests), key=self._merit())
        for connection in closing:
            connection.handle_close()
        if closing:
            self.log("connections_closed_for_others", open=len(self.connections), limit=self._most)

    def _merit(self) -> Callable[[Connection], tuple[int, float]]:
        """Who is closed first: what only lingers, then those who have not proved who they are, then those who have, of
        each the idlest first. Last those who have come just now: they had no time to say who they are."""
        strangers = (each for each in self.connections if not each.known)
        newcomers = set(heapq.nlargest(min(NEWCOMERS, self._most // 4), strangers, key=lambda each: each.since))

        def merit(connection: Connection) -> tuple[int, float]:
            if connection.linger_until is not None:
                return 0, connection.since
            return (3 if connection in newcomers else 1 + connection.known), connection.since

        return merit


class Silence:
    """Who repeats themselves is heard once in a while."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._kept: dict[str, int] = {}

    def broken(self, what: str) -> int | None:
        """How many were kept back since the last one; None: this one is, too."""
        now = time.monotonic()
        if now - self._last.get(what, -QUIET) < QUIET:
            self._kept[what] = self._kept.get(what, 0) + 1
            return None
        self._last[what] = now
        return self._kept.pop(what, 0)


class Quiet(logging.Filter):
    """For waitress' own lines, some of which come with every request or every turn of its loop."""

    def __init__(self) -> None:
        super().__init__()
        self._silence = Silence()

    def filter(self, record: logging.LogRecord) -> bool:
        more = self._silence.broken(str(record.msg)[:200])
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
        except OSError:  # it has gone already
            connection.close()


def make_server(
    app: Flask, listening: Sequence[socket.socket], current: Callable[[], Settings], watched: dict[int, Any]
) -> Any:
    """run() serves until SystemExit, close() ends it. watched: what its loop looks at in each round, by file."""
    edge = Edge(
        lambda environ: wanted_of(app, environ),
        Room(lambda: current().limits.room),
        max(KEPT_FREE * 2, min(CONNECTIONS, raise_file_limit() - OTHER_FILES)),
    )
    for name in ("waitress", "waitress.queue"):
        logging.getLogger(name).addFilter(Quiet())
    return server_on(listening, partial(Server, app, watched, edge), watched, _adjustments(listening), THREADS)


def raise_file_limit() -> int:
    """How many files may be open now: as many as the system lets this process have."""
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
        asyncore_use_poll=True,  # select() knows no file above 1,023, and would end the process at the next connection
        clear_untrusted_proxy_headers=False,  # bridge.web.callers wants to see who claims what
        max_request_header_size=HEADERS,
        max_request_body_size=everything,  # bridge.web.receiving knows the limit, which a reload may change
        inbuf_overflow=everything,  # what is bounded needs no file, which would be memory again on a tmpfs
        recv_bytes=65536,
        log_socket_errors=False,
    )
