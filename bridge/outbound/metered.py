"""aiohttp's connection with a limit on what a server may send in response to one request.

aiohttp limits a line, a header and the number of headers; but it reads interim responses (RFC 9110 section 15.2), chunk
extensions and unsolicited data without limit, and can starve the event loop.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

HEAD_OCTETS = 2**20  #: for heads, chunk sizes and trailers: more than the parser accepts in one response
MAX_INTERIM = 16


class AnswerTooLarge(aiohttp.ClientPayloadError):
    """The response exceeds its limit."""


class Metered(ResponseHandler):
    """Counts octets and interim responses per request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        super().__init__(loop)
        self._most, self._octets, self._interim = most + HEAD_OCTETS, 0, 0

    def set_response_params(self, **params: Any) -> None:
        self._octets = self._interim = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        self._octets += len(data)
        if self._octets > self._most:
            self._give_up()
        else:
            super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        self._interim += 100 <= data[0].code < 200
        if self._interim > MAX_INTERIM:
            self._give_up()
        else:
            super().feed_data(data, size)

    def close(self) -> None:
        """Aborts with unsent data, which would otherwise be kept until the server reads it."""
        if self.transport is not None and self.transport.get_write_buffer_size():
            self.abort()
        else:
            super().close()

    def _give_up(self) -> None:
        fault = AnswerTooLarge()
        if self._payload is not None:
            self._payload.set_exception(fault)
        self.set_exception(fault)
        if self.transport is not None:
            self.transport.abort()


class MeteredConnector(aiohttp.TCPConnector):
    """most: octets of a response body."""

    def __init__(self, most: int, connections: int, keepalive_seconds: float, trust: ssl.SSLContext) -> None:
        super().__init__(limit=connections, keepalive_timeout=keepalive_seconds, ssl=trust)
        self._factory = functools.partial(Metered, loop=self._loop, most=most)  # type: ignore[assignment]
