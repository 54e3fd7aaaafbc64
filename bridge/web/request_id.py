"""Request ids: in every answer and in every log line of a request.

A valid id from the sender is kept, so that a proxy's log and the bridge's can be joined.
"""

from __future__ import annotations

import re
import secrets

from flask import Response, g, request

from bridge.observability import logs

HEADER = "X-Request-Id"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}", re.ASCII)


def begin() -> None:
    """For before_request; must be the first one."""
    g.request_id = named(request.headers.get(HEADER, ""))
    logs.remember(request_id=g.request_id)


def current() -> str:
    """Of the request that is being answered."""
    return str(g.get("request_id", ""))


def named(given: str) -> str:
    """The sender's id if it is valid, else a new one."""
    return given if _NAME.fullmatch(given) else secrets.token_hex(8)


def end(response: Response) -> Response:
    """For after_request."""
    response.headers[HEADER] = current()
    return response
