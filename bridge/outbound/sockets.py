"""Sockets for blocking libraries within the event loop, with one deadline and a limit on what is read per conversation.

A socket's own timeout restarts with each byte, and smtplib keeps every line of a response until the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from bridge.outbound.greenlets import wait_for_loop
from bridge.outbound.trust import trusting

MAX_WAIT = 3600.0  #: seconds, for a wait without a limit of its own
Result = TypeVar("Result")


class TooMuch(OSError):
    """The server sent more than the allowance."""


class Allowance:
    """What remains of one conversation's time and octets. Its sockets share it; each conversation gets a new grant."""

    def __init__(self) -> None:
        self._until, self._octets = 0.0, 0

    def grant(self, until: float, octets: int) -> None:
        """until: on time.monotonic(). octets: that may be read."""
        self._until, self._octets = until, octets

    @contextlib.contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Limits a part of the conversation further in time; the grant itself stays."""
        granted = self._until, self._octets
        self._until = min(self._until, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._until, self._octets = granted

    @property
    def seconds(self) -> float:
        """The remaining seconds. Raises TimeoutError when none are left."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("no end of the conversation in time")
        return left

    def received(self, octets: int) -> None:
        """Raises TooMuch."""
        self._octets -= octets
        if self._octets < 0:
            raise TooMuch("an answer without end")


class _Allowed:
    """For both kinds of sockets, which never block: the event loop waits. Only within run_blocking."""

    allowance: Allowance | None = None
    seconds: float = math.inf  #: for each call, within the allowance

    def recv_into(self, *arguments: Any, **more: Any) -> int:
        count: int = self._waiting(partial(super().recv_into, *arguments, **more))  # type: ignore[misc]
        if self.allowance is not None:
            self.allowance.received(count)
        return count

    def send(self, *arguments: Any, **more: Any) -> int:
        count: int = self._waiting(partial(super().send, *arguments, **more), writes=True)  # type: ignore[misc]
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        left = memoryview(data)
        while left:
            left = left[self.send(left) :]

    def _waiting(self, call: Callable[[], Result], *, writes: bool = False) -> Result:
        while True:
            left = self.seconds if self.allowance is None else min(self.seconds, self.allowance.seconds)
            try:
                return call()
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                writing = isinstance(error, ssl.SSLWantWriteError) or (writes and isinstance(error, BlockingIOError))
            wait_for_loop(_ready(self.fileno(), left, writing=writing))  # type: ignore[attr-defined]


class AllowedSocket(_Allowed, socket.socket):
    pass


class AllowedTlsSocket(_Allowed, ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        self._waiting(super().do_handshake)


async def _ready(descriptor: int, seconds: float, *, writing: bool) -> None:
    """Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    add(descriptor, _end, ready, None)
    late = loop.call_later(min(seconds, MAX_WAIT), _end, ready, TimeoutError("no answer in time"))
    try:
        await ready
    finally:
        late.cancel()
        remove(descriptor)


def _end(waiting: asyncio.Future[None], fault: Exception | None) -> None:
    if waiting.done():
        return
    if fault is not None:
        waiting.set_exception(fault)
    else:
        waiting.set_result(None)


def connected(host: str, port: int, allowance: Allowance, seconds: float, threads: Executor) -> AllowedSocket:
    """seconds: for each address of the host, and each step afterwards. threads: for the name's lookup, which may hang.

    Raises OSError, the last address's.
    """
    fault: OSError = OSError("no address")
    loop = asyncio.get_running_loop()
    for family, kind, protocol, _, address in aside(
        partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM), allowance, threads
    ):
        connection = AllowedSocket(family, kind, protocol)
        try:
            connection.setblocking(False)
            in_time(partial(loop.sock_connect, connection, address), allowance, seconds)
        except OSError as error:
            connection.close()
            fault = error
        else:
            connection.allowance, connection.seconds = allowance, seconds
            return connection
    raise fault


def aside(call: Callable[[], Result], allowance: Allowance, threads: Executor) -> Result:
    """In one of the threads, while the event loop goes on. Raises TimeoutError, and OSError after their shutdown."""
    begin = partial(asyncio.get_running_loop().run_in_executor, threads, call)
    try:
        return in_time(begin, allowance)
    except RuntimeError:
        raise OSError("stopped") from None


def in_time(begin: Callable[[], Awaitable[Result]], allowance: Allowance, seconds: float = math.inf) -> Result:
    """Within run_blocking: what the event loop makes of it. Raises TimeoutError, and never later than the allowance."""
    left = min(seconds, allowance.seconds)  # nothing is begun once there is none
    return wait_for_loop(asyncio.wait_for(begin(), left))


def tls_context(authorities: Path | None) -> ssl.SSLContext:
    """A context whose sockets respect an allowance. Takes a while: it reads files. Raises UnusableAuthorities."""
    context = trusting(authorities)
    context.sslsocket_class = AllowedTlsSocket
    return context


def over_tls(connection: AllowedSocket, context: ssl.SSLContext, name: str, seconds: float) -> AllowedTlsSocket:
    """name: the host that the certificate must name. seconds: for each step. Takes the connection's place."""
    allowance = connection.allowance
    secured = context.wrap_socket(connection, server_hostname=name, do_handshake_on_connect=False)
    assert isinstance(secured, AllowedTlsSocket)
    secured.allowance, secured.seconds = allowance, seconds
    try:
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


def is_quiet(connection: socket.socket) -> bool:
    """Open, as far as is known here, and nothing has come that was not read yet."""
    try:
        socket.socket.recv(connection, 1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def cut(connection: socket.socket | None) -> None:
    """Ends, from another task, a wait for the peer.

    Shuts down the plain socket below TLS: with ssl's own shutdown the waiting one would continue in plain text.
    """
    if connection is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
