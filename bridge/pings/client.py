"""A URL outside that wants to be called while all is well, as Healthchecks and its like do.

https://healthchecks.io/docs/http_api/ and https://healthchecks.io/docs/signaling_failures/
Law: the URL holds a key, so nothing here says it; and no call raises, or takes longer than its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import aiohttp

MAX_REASON = 10_000  #: bytes; Healthchecks keeps the first 100 kB


class OutsideUrl:
    """Make and use it inside the running loop."""

    def __init__(self, url: Callable[[], str], timeout_seconds: float) -> None:
        self._url, self._timeout = url, timeout_seconds

    async def well(self) -> str:
        """Empty when it was heard, else why not."""
        return await self._call("GET", self._url())

    async def unwell(self, reason: str) -> str:
        return await self._call("POST", failing(self._url()), reason.encode()[:MAX_REASON])

    async def _call(self, method: str, url: str, body: bytes | None = None) -> str:
        """A connection each time: calls are a minute apart, and the way to the outside is what is tried."""
        try:
            async with (
                asyncio.timeout(self._timeout),
                aiohttp.ClientSession(trust_env=True) as session,
                session.request(method, url, data=body, allow_redirects=False) as answer,
            ):
                return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
        except TimeoutError:
            return f"no answer within {self._timeout:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as fault:  # its text holds the URL
            return type(fault).__name__


def failing(url: str) -> str:
    """The same with /fail at the end of its path."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))
