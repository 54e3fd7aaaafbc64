"""Decides from a request's headers whether its body is read at all, and reads it.

A view that reads a body declares this with @reads_body. For every other request the server drops the body. A refusal
that the headers already imply still comes from the view itself, with the same text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Request, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from bridge.observability import logs

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logs.get(__name__)
UNREAD = "bridge.unread"  #: the environ's key for an Unread
WANTED = "bridge.wanted"  #: the environ's key for the Wanted that the headers led to
_ATTRIBUTE = "wanted_body"
View = TypeVar("View", bound=Callable[..., Any])


class Unread(StrEnum):
    """Why the server dropped a request's body."""

    UNWANTED = "unwanted"
    TOO_LARGE = "too_large"
    NO_ROOM = "no_room"


class NoRoom(Exception):
    """The body was dropped for lack of buffer space; the client should send it again."""


@dataclass(frozen=True, slots=True)
class Wanted:
    most: int  #: bytes accepted; 0: no body is read
    known: bool = False  #: the headers authenticate the sender
    defers: bool = False  #: the view never waits: it returns a bridge.web.deferred.Later
    because: object = None  #: for the view, so that it need not decide a second time


NOTHING = Wanted(0)


def reads_body(wanted: Callable[..., Wanted]) -> Callable[[View], View]:
    """`wanted` is called with the request and the view's arguments, outside Flask's contexts, when only the headers
    have arrived.
    """

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, wanted)
        return view

    return mark


class Deciding:
    """What is wanted of the body of a request, of which only the headers have arrived."""

    def __init__(self, app: Flask) -> None:
        self._app, self._urls = app, app.url_map.bind("")

    def wanted(self, environ: WSGIEnvironment) -> Wanted:
        """Never raises: on an error no body is read, and the view, which meets the same error, reports it."""
        try:
            req = self._app.request_class(environ)
            endpoint, arguments = self._urls.match(req.path, req.method)
            rule = getattr(self._app.view_functions.get(endpoint), _ATTRIBUTE, None)
            return rule(req, **arguments) if rule is not None else NOTHING
        except HTTPException:
            return NOTHING
        except Exception as fault:
            log.error("request_headers_invalid", path=environ.get("PATH_INFO"), exc_info=fault)
            return NOTHING


def is_plain(req: Request) -> bool:
    """Not compressed."""
    return req.headers.get("Content-Encoding", "identity").strip().lower() in ("", "identity")


def read_at_most(limit: int) -> bytes:
    """Raises RequestEntityTooLarge, and NoRoom when the server dropped it.

    Asks for one byte more: werkzeug silently truncates a body without a length.
    """
    unread = request.environ.get(UNREAD)
    if unread == Unread.TOO_LARGE or (request.content_length or 0) > limit:
        raise RequestEntityTooLarge
    if unread is not None:
        raise NoRoom
    request.max_content_length = limit + 1
    body = request.get_data(cache=False)
    if len(body) > limit:
        raise RequestEntityTooLarge
    return body
