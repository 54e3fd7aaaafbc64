"""Answers that come later than their view returns, so that no thread waits for a commit meanwhile.

WSGI lets an application call start_response as late as it likes, but a server then waits in a thread. One that can wait
without a thread calls begin(), and answers when the Later is due. To any other server, and to Flask's test client, a
Later is a response like others, which waits by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_DEFER = "bridge.defer"  #: the environ's key for a function that takes the Later


class Later(Response):
    """A response that `fill` completes as soon as `awaited` is done, or after `seconds`.

    fill: sets the status, body and headers; perhaps in another thread, outside Flask's contexts.
    If it fails, the status is 503.
    """

    def __init__(self, awaited: Future[Any], seconds: float, fill: Callable[[Response], None]) -> None:
        super().__init__(status=503, mimetype="application/json")  # until it is known to be better
        self.awaited, self.due_at = awaited, time.monotonic() + seconds
        self._fill, self._complete = fill, False

    def complete(self) -> None:
        """To be called when `awaited` is done, or the time is over; the first call counts."""
        if not self._complete:
            self._complete = True
            self._fill(self)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        defer = environ.pop(_DEFER, None)
        if defer is not None:
            defer(self)
            return ()
        if not self._complete:
            wait([self.awaited], max(0.0, self.due_at - time.monotonic()))
            self.complete()
        return super().__call__(environ, start_response)


def begin(app: WSGIApplication, environ: WSGIEnvironment) -> WSGIApplication:
    """Calls the application, and returns what gives its answer: a Later, or one that repeats what it has said."""
    later: list[Later] = []
    said: list[Any] = []
    environ[_DEFER] = later.append
    try:
        body = app(environ, lambda *start: said.append(start))  # type: ignore[arg-type]
    except Exception as fault:
        return _raising(fault)
    return later[0] if later else _repeating(said[-1], body)


def _repeating(said: tuple[Any, ...], body: Iterable[bytes]) -> WSGIApplication:
    def repeat(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(*said)
        return body

    return repeat


def _raising(fault: Exception) -> WSGIApplication:
    def fail(_: WSGIEnvironment, __: StartResponse) -> Iterable[bytes]:
        raise fault

    return fail
