"""Waitress on already bound sockets: one object to run, however many addresses the host has."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

from waitress.adjustments import Adjustments
from waitress.server import MultiSocketServer
from waitress.task import ThreadedTaskDispatcher


def server_on(
    listening: Sequence[socket.socket],
    server_class: Callable[..., Any],
    watched: dict[int, Any],
    adjustments: Adjustments,
    threads: int,
    dispatcher: ThreadedTaskDispatcher | None = None,
) -> Any:
    """server_class: called for each socket as waitress.server.TcpWSGIServer is, but without application and map."""
    dispatcher = dispatcher or ThreadedTaskDispatcher()
    dispatcher.set_thread_count(threads)
    shared = {"dispatcher": dispatcher, "adj": adjustments, "bind_socket": False}
    servers = [
        server_class(_sock=each, sockinfo=(each.family, each.type, each.proto, None), **shared) for each in listening
    ]
    if len(servers) == 1:
        return servers[0]
    listened = [(server.effective_host, server.effective_port) for server in servers]
    return MultiSocketServer(watched, adjustments, listened, dispatcher, servers[0].log_info)
