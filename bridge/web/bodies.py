"""Decides from a request's headers whether its body is read at all, and reads it.

A view that reads a body declares this with @reads_body. For every other request the server drops the body. A refusal
that the headers already imply still comes from the view itself, with the same text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from flask import Flask, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from bridge.observability import logs

log = logs.get(__name__)
UNREAD = "bridge.unread"  #: the environ's key for an Unread
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


NOTHING = Wanted(0)


def reads_body(wanted: Callable[..., Wanted]) -> Callable[[View], View]:
    """`wanted` is called with the view's arguments, in the request's context, and must only read headers."""

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, wanted)
        return view

    return mark


def wanted_of(app: Flask, environ: Mapping[str, Any]) -> Wanted:
    """For a request of which only the headers have arrived. Never raises: on an error no body is read, and the view,
    which meets the same error, reports it."""
    try:
        with app.request_context(dict(environ)):
            view = app.view_functions.get(request.endpoint or "")
            rule = getattr(view, _ATTRIBUTE, None)
            return rule(**(request.view_args or {})) if rule is not None else NOTHING
    except HTTPException:
        return NOTHING
    except Exception as fault:
        log.error("request_headers_invalid", path=environ.get("PATH_INFO"), exc_info=fault)
        return NOTHING


def is_plain() -> bool:
    """Not compressed."""
    return request.headers.get("Content-Encoding", "identity").strip().lower() in ("", "identity")


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
