"""Sockets for blocking libraries, with one deadline and a limit on what is read per conversation.

A socket's own timeout restarts with each byte, and smtplib keeps every line of a response until the last.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bridge.outbound.trust import trusting


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
    """For both kinds of sockets: each call uses its own timeout, but never beyond the allowance."""

    allowance: Allowance | None = None
    _own: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._own = value
        super().settimeout(value)  # type: ignore[misc]

    def recv_into(self, *arguments: Any, **more: Any) -> int:
        self.hasten()
        count: int = super().recv_into(*arguments, **more)  # type: ignore[misc]
        if self.allowance is not None:
            self.allowance.received(count)
        return count

    def send(self, *arguments: Any, **more: Any) -> int:
        self.hasten()
        return super().send(*arguments, **more)  # type: ignore[misc, no-any-return]

    def sendall(self, *arguments: Any, **more: Any) -> None:
        self.hasten()
        super().sendall(*arguments, **more)  # type: ignore[misc]

    def hasten(self) -> None:
        if self.allowance is not None:
            left = self.allowance.seconds
            super().settimeout(left if self._own is None else min(self._own, left))  # type: ignore[misc]


class AllowedSocket(_Allowed, socket.socket):
    pass


class AllowedTlsSocket(_Allowed, ssl.SSLSocket):
    pass


def connected(host: str, port: int, allowance: Allowance, seconds: float) -> AllowedSocket:
    """seconds: for each address of the host, and each step afterwards. Raises OSError, the last address's."""
    fault: OSError = OSError("no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = AllowedSocket(family, kind, protocol)
        try:
            connection.settimeout(min(seconds, allowance.seconds))
            connection.connect(address)
        except OSError as error:
            connection.close()
            fault = error
        else:
            connection.settimeout(seconds)
            connection.allowance = allowance
            return connection
    raise fault


def tls_context(authorities: Path | None) -> ssl.SSLContext:
    """A context whose sockets respect an allowance. Raises UnusableAuthorities."""
    context = trusting(authorities)
    context.sslsocket_class = AllowedTlsSocket
    return context


def over_tls(connection: AllowedSocket, context: ssl.SSLContext, name: str) -> AllowedTlsSocket:
    """name: the host that the certificate must name. The handshake, too, is within the allowance."""
    connection.hasten()  # OpenSSL counts a socket's timeout for all of the handshake
    secured = context.wrap_socket(connection, server_hostname=name)
    assert isinstance(secured, AllowedTlsSocket)
    secured.allowance = connection.allowance
    return secured


def cut(connection: socket.socket | None) -> None:
    """Unblock, from another thread, a call that waits for the peer.

    Shuts down the plain socket below TLS: with ssl's own shutdown the waiting thread would continue in plain text.
    """
    if connection is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
