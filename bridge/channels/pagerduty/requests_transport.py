"""requests' way out for a library that knows nothing else: through the bridge's own HTTP client, which runs in a loop.

requests counts a timeout from byte to byte, so that a server that lets its answer trickle in, or sends `100 Continue`
without end, keeps a thread for ever. Here the library waits for the loop, and the loop keeps the deadline.
"""

from __future__ import annotations

from collections.abc import Mapping

import requests
from requests.structures import CaseInsensitiveDict

from bridge.outbound.greenlets import wait_for_loop
from bridge.outbound.http import HttpClient


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
