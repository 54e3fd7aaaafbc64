"""The URL of a monitor outside that is pinged while the bridge is healthy, as Healthchecks and its like expect.

https://healthchecks.io/docs/http_api/ and https://healthchecks.io/docs/signaling_failures/
Invariant: the URL contains a key, so it is in no text from here; no call raises or outlasts its timeout.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from bridge.outbound.http import CallFailed, HttpClient, TimedOut

MAX_REASON = 10_000  #: bytes; Healthchecks keeps the first 100 kB


class PingUrl:
    """Make and use it inside the running loop."""

    def __init__(self, url: Callable[[], str], timeout_seconds: float) -> None:
        self._url, self._timeout = url, timeout_seconds

    async def report_success(self) -> str:
        """Empty when the ping arrived, else why it did not."""
        return await self._call("GET", self._url())

    async def report_failure(self, reason: str) -> str:
        return await self._call("POST", failure_url(self._url()), reason.encode()[:MAX_REASON])

    async def _call(self, method: str, url: str, body: bytes | None = None) -> str:
        """A new connection each time: pings are a minute apart, and the way out is what they test."""
        http = HttpClient(connections=1, most=0)
        try:
            answer = await http.call(method, url, self._timeout, body=body)
        except TimedOut:
            return f"no answer within {self._timeout:g} s"
        except CallFailed as fault:
            return fault.detail
        finally:
            await http.close()
        return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"


def failure_url(url: str) -> str:
    """The same with /fail at the end of its path."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))
