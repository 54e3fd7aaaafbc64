"""requests' way out for a library that knows nothing else: through the bridge's own HTTP client, which runs in a loop.

requests counts a timeout from byte to byte, so that a server that lets its answer trickle in, or sends `100 Continue`
without end, keeps a thread for ever. Here the thread waits for the loop, and the loop keeps the deadline.
"""

from __future__ import annotations

import asyncio
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from bridge.outbound.http import HEADERS, Answer, CallFailed, HttpClient


class LoopTransport(BaseAdapter):
    """Of one thread's session. Raises CallFailed. seconds: for each call."""

    def __init__(self, client: HttpClient, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        super().__init__()
        self._client, self._loop, self._seconds = client, loop, seconds

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        answer = self._answer(request)
        response = requests.Response()
        response.status_code, response.headers = answer.status, CaseInsensitiveDict(answer.headers)
        response.headers.pop("Location", None)  # requests would look at where it leads, which is never followed
        response._content, response._content_consumed = answer.body, True  # type: ignore[attr-defined]
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        """The client belongs to the channel."""

    def _answer(self, request: requests.PreparedRequest) -> Answer:
        body = request.body
        sent = body.encode() if isinstance(body, str) else body
        headers = {**request.headers, **HEADERS}
        call = self._client.call(str(request.method), str(request.url), self._seconds, headers=headers, body=sent)
        try:
            return asyncio.run_coroutine_threadsafe(call, self._loop).result()
        except RuntimeError:  # the loop is closed
            call.close()
            raise CallFailed("stopped", sent=False) from None
