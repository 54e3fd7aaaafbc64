"""Every HTTP call to a vendor: one deadline, a bounded response, no redirects, the environment's proxy.

Invariant: a call ends by its deadline whatever the server does, and then leaves no connection, task or thread; its
errors contain no URL, which may include a password or a key.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import orjson
from aiohttp.client_reqrep import ClientRequest
from multidict import CIMultiDict
from yarl import URL

from bridge.core.network.proxies import UnusableProxy, proxies_in, proxy_for
from bridge.outbound.metered import AnswerTooLarge, MeteredConnector
from bridge.outbound.trust import tls_fault, trusted

MAX_ANSWER = 4 * 2**20  #: octets; a hundred of Slack's largest messages are less
KEEPALIVE_SECONDS = 60.0
#: No compression, so that a small response cannot unpack to a huge one.
HEADERS = {"Accept-Encoding": "identity"}
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class CallFailed(Exception):
    """No response. `sent`: the request was started, so the server may have acted on it."""

    def __init__(self, detail: str, *, sent: bool) -> None:
        super().__init__(detail)
        self.detail, self.sent = detail, sent


class TimedOut(CallFailed):
    """No complete response by the deadline."""


class Oversized(CallFailed):
    """The response exceeds its limit."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]  #: case-insensitive
    body: bytes


class HttpClient:
    """One vendor's client with keep-alive connections, bound to the event loop that uses it first.

    most: octets of a response body; 0 reads only the head.
    """

    def __init__(self, *, connections: int = 8, most: int = MAX_ANSWER) -> None:
        self._connections, self._most = connections, most
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self,
        method: str,
        url: str,
        seconds: float,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises CallFailed. body: a mapping is sent as a form."""
        session = self.session()  # outside the deadline: the first call loads the trusted certificates
        async with limited(seconds):
            request = session.request(method, url, headers=headers, params=query, data=body, allow_redirects=False)
            async with request as answer:
                content = await read_at_most(answer, self._most) if self._most else b""
                return Answer(answer.status, answer.headers, content)

    def session(self, middlewares: Sequence[aiohttp.ClientMiddlewareType] = ()) -> aiohttp.ClientSession:
        """For a library that uses aiohttp itself: call it within limited()."""
        if self._session is None or self._session.closed:
            connector = MeteredConnector(self._most, self._connections, KEEPALIVE_SECONDS, trusted())
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=HEADERS,
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                request_class=partial(_Request, environ=proxies_in(os.environ)),  # type: ignore[arg-type]
                response_class=_Response,
                middlewares=middlewares,
                json_serialize_bytes=orjson.dumps,
            )
        return self._session

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


@asynccontextmanager
async def limited(seconds: float) -> AsyncIterator[None]:
    """One call's deadline; turns every error of aiohttp into CallFailed."""
    progress = _Progress()
    token = _PROGRESS.set(progress)
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise TimedOut("no answer in time", sent=progress.sent) from None
    except AnswerTooLarge:
        raise Oversized("an answer without end", sent=progress.sent) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise CallFailed(_words(error), sent=progress.sent) from None
    finally:
        _PROGRESS.reset(token)


async def read_at_most(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The body; most: octets of it. Raises AnswerTooLarge. The one place where a body from outside is read."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > most:
            answer.close()
            raise AnswerTooLarge
    return bytes(body)


@dataclass(slots=True)
class _Progress:
    sent: bool = False


_PROGRESS: ContextVar[_Progress] = ContextVar("progress of the call")


class _Request(ClientRequest):
    """Uses the environment's proxy, and records when the first octet is sent. environ: when the session was made."""

    def __init__(self, *arguments: Any, environ: Mapping[str, str], **more: Any) -> None:
        self._environ = environ
        super().__init__(*arguments, **more)

    def update_proxy(self, proxy: Any, proxy_auth: Any, proxy_headers: Any) -> None:
        found = proxy_for(str(self.url), self._environ) if self._environ else None
        login = {"Proxy-Authorization": found.authorization} if found and found.authorization else {}
        super().update_proxy(URL(found.url) if found else None, None, CIMultiDict(login) if login else None)
        if not self.is_ssl():  # no CONNECT, so that the proxy reads the request itself
            self.headers.update(login)

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        _PROGRESS.get(_Progress()).sent = True
        return await super().send(conn)


class _Response(aiohttp.ClientResponse):
    """Read completely, up to MAX_ANSWER."""

    async def read(self) -> bytes:
        if self._body is None:
            self._body = await read_at_most(self, MAX_ANSWER)
        return self._body


def _words(error: Exception) -> str:
    if isinstance(error, UnusableProxy):
        return str(error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answers with HTTP {error.status}"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return "the proxy cannot be reached"
    return tls_fault(error) or type(error).__name__
