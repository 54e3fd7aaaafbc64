"""Answers over requests with an end: it reads whatever comes, and counts its timeout from byte to byte."""

from __future__ import annotations

import time
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from bridge.channels.http import MAX_ANSWER


class OversizedAnswer(requests.RequestException):
    """None that the vendor could have meant."""


class TricklingAnswer(requests.RequestException):
    """Its bytes come so slowly that its end would not come in time."""


class BoundedAdapter(HTTPAdapter):
    """Reads an answer whole, up to MAX_ANSWER bytes and for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def send(self, *arguments: Any, **more: Any) -> requests.Response:
        answer = super().send(*arguments, **{**more, "stream": True})
        try:
            content = self._read(answer.raw)
        except BaseException as error:
            answer.close()
            if isinstance(error, HTTPError):
                raise requests.ConnectionError(type(error).__name__) from error
            raise
        answer._content, answer._content_consumed = content, True  # type: ignore[attr-defined]
        return answer

    def _read(self, raw: Any) -> bytes:
        until, content = time.monotonic() + self._seconds, bytearray()
        while chunk := raw.read1(65536, decode_content=True):
            content += chunk
            if len(content) > MAX_ANSWER:
                raise OversizedAnswer
            if time.monotonic() > until:
                raise TricklingAnswer
        return bytes(content)


S = TypeVar("S", bound=requests.Session)


def bounded(session: S, seconds: float) -> S:
    """The same session, whose answers have an end from now on."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, BoundedAdapter(seconds))
    return session
