"""requests' way out for a library that knows nothing else: through the bridge's own HTTP client, which runs in a loop.

requests counts a timeout from byte to byte, so that a server that lets its answer trickle in, or sends `100 Continue`
without end, keeps a thread for ever. Here the library runs in a greenlet of the loop's own thread: where it would wait
for the network, it switches back to the coroutine that started it, which awaits the answer and has the deadline.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import requests
from greenlet import getcurrent, greenlet
from requests.structures import CaseInsensitiveDict

from bridge.outbound.http import HttpClient

Result = TypeVar("Result")


async def run_blocking(call: Callable[[], Result]) -> Result:
    """Calls it without blocking the event loop: what it awaits with wait_for_loop, the loop does meanwhile."""
    running = greenlet(call)
    handed = running.switch()
    while not running.dead:
        try:
            value = await handed
        except BaseException as error:
            handed = running.throw(error)
        else:
            handed = running.switch(value)
    result: Result = handed
    return result


def wait_for_loop(work: Awaitable[Result]) -> Result:
    """In code that run_blocking called."""
    starter = getcurrent().parent
    assert starter is not None
    result: Result = starter.switch(work)
    return result


class LoopTransport:
    """What a library uses of requests.Session, within run_blocking. Raises CallFailed. seconds: for each call."""

    def __init__(self, client: HttpClient, seconds: float) -> None:
        self._client, self._seconds = client, seconds

    def request(
        self, method: str, url: str, *, data: bytes, headers: Mapping[str, str], **_: object
    ) -> requests.Response:
        """One request and its answer, redirects not followed."""
        answer = wait_for_loop(self._client.call(method, url, self._seconds, headers=headers, body=data))
        response = requests.Response()
        response.status_code, response.headers = answer.status, CaseInsensitiveDict(answer.headers)
        response._content, response._content_consumed = answer.body, True  # type: ignore[attr-defined]
        return response
