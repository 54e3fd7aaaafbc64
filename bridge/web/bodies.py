"""Which bodies are wanted, as the headers tell, before a byte of one is kept; and how a wanted one is read.

A view that reads a body says so with @reads_body. For every other request the server keeps none, and what is refused
is refused by the view itself, in the same words, wherever its refusal was foreseen.
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
    """Why the server did not keep a request's body."""

    UNWANTED = "unwanted"
    TOO_LARGE = "too_large"
    NO_ROOM = "no_room"


class NoRoom(Exception):
    """The body was not kept. What sent it shall send it again."""


@dataclass(frozen=True, slots=True)
class Wanted:
    most: int  #: bytes that may come; 0: none is wanted
    known: bool = False  #: the headers prove who sends


NOTHING = Wanted(0)


def reads_body(wanted: Callable[..., Wanted]) -> Callable[[View], View]:
    """`wanted` gets the view's arguments, inside the request's context, and looks at nothing but headers."""

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, wanted)
        return view

    return mark


def wanted_of(app: Flask, environ: Mapping[str, Any]) -> Wanted:
    """For a request of which only the headers are there. Never raises: where it fails nothing is wanted, and the view,
    which meets the same fault, explains it."""
    try:
        with app.request_context(dict(environ)):
            view = app.view_functions.get(request.endpoint or "")
            rule = getattr(view, _ATTRIBUTE, None)
            return rule(**(request.view_args or {})) if rule is not None else NOTHING
    except HTTPException:
        return NOTHING
    except Exception as fault:
        log.error("headers_not_understood", path=environ.get("PATH_INFO"), exc_info=fault)
        return NOTHING


def is_plain() -> bool:
    """Not compressed."""
    return request.headers.get("Content-Encoding", "identity").strip().lower() in ("", "identity")


def read_at_most(limit: int) -> bytes:
    """Raises RequestEntityTooLarge, and NoRoom when the server has not kept it.

    One byte more is asked for: of a body without a length werkzeug gives the first bytes, and says nothing.
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
