"""Each request has a name, which its answer and every line that is logged about it carry.

The sender's own name is taken where it is one: a proxy's log and ours then speak of the same request.
"""

from __future__ import annotations

import re
import secrets

from flask import Response, g, request

from bridge.observability import logs

HEADER = "X-Request-Id"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}", re.ASCII)


def begin() -> None:
    """For before_request, the first of them."""
    g.request_id = named(request.headers.get(HEADER, ""))
    logs.remember(request_id=g.request_id)


def named(given: str) -> str:
    """The name that the sender gave, if it is one, else a new one."""
    return given if _NAME.fullmatch(given) else secrets.token_hex(8)


def end(response: Response) -> Response:
    """For after_request."""
    response.headers[HEADER] = g.get("request_id", "")
    return response
