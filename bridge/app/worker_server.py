"""Waitress for the probes of a worker that runs apart: few connections, of which the idlest make room."""

from __future__ import annotations

import heapq
import socket
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

from bridge.processes.waitress_servers import server_on

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CONNECTIONS = 100
THREADS = 2
KEPT_FREE = 8  #: places for those who come


class Connection(HTTPChannel):  # type: ignore[misc]
    """Once closed, it is waited for no more: the event would be that of the connection that gets its file's number."""

    def readable(self) -> bool:
        return self.socket is not None and bool(super().readable())

    def writable(self) -> bool:
        return self.socket is not None and bool(super().writable())

    @property
    def is_idle(self) -> bool:
        """Neither is a request answered nor an answer still being sent."""
        return not self.requests and not self.total_outbufs_len


class Server(TcpWSGIServer):  # type: ignore[misc]
    """One listening socket."""

    channel_class = Connection

    def readable(self) -> bool:
        """A liveness probe that finds no place would have a healthy worker killed."""
        crowd = len(self._map) - (CONNECTIONS - KEPT_FREE)
        idle = [each for each in self.active_channels.values() if each.is_idle]
        for channel in heapq.nsmallest(max(0, crowd), idle, key=lambda each: each.last_activity):
            channel.handle_close()
        return bool(super().readable())


def make_server(app: WSGIApplication, listening: Sequence[socket.socket]) -> Any:
    """run() serves for as long as the process lives."""
    watched: dict[int, Any] = {}
    adjustments = Adjustments(
        sockets=list(listening),
        connection_limit=CONNECTIONS,
        channel_timeout=30,
        cleanup_interval=10,
        asyncore_use_poll=True,
        ident=None,
        max_request_body_size=1024,
    )
    return server_on(listening, partial(Server, app, watched), watched, adjustments, THREADS)
