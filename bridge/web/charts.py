"""Charts for clients without a login, PagerDuty above all: a signed link gives access to one chart.

Invariant: the signature is checked before the store is asked, so guessing costs the store nothing and reveals nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from flask import Blueprint, Response, abort, request
from flask.typing import ResponseReturnValue

from bridge.core.charts.chart import Picture
from bridge.core.charts.signed_links import LinkCheck, link_check

CACHED = 24 * 3600  # seconds at most


class Shown(Protocol):
    """One chart with its signed link, without scheme and host."""

    @property
    def picture(self) -> Picture: ...

    @property
    def path(self) -> str: ...


class ChartStore(Protocol):
    """The store of rendered charts."""

    def png(self, name: str) -> bytes | None: ...

    def key(self) -> bytes: ...

    def of_incident(self, incident_number: int) -> Sequence[Shown]:
        """The newest first."""
        ...


def blueprint(charts: ChartStore, clock: Callable[[], datetime]) -> Blueprint:
    routes = Blueprint("pictures", __name__)

    @routes.get("/pictures/<name>.png")
    def show(name: str) -> ResponseReturnValue:
        expires, now = request.args.get("expires", ""), clock()
        found = link_check(name, expires, request.args.get("signature", ""), charts.key(), now)
        if found is LinkCheck.FORGED:
            abort(403, "This link is not one of the bridge's, or was damaged. Copy it again from the message.")
        if found is LinkCheck.EXPIRED:
            abort(410, "This link has expired. The incident's page shows what is known now.")
        png = charts.png(name)
        if png is None:
            abort(404, "This chart is no longer stored.")
        return _answer(name, png, int(expires) - int(now.timestamp()))

    return routes


def _answer(name: str, png: bytes, seconds_left: int) -> Response:
    answer = Response(png, mimetype="image/png")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Disposition"] = "inline"
    # a chart never changes; a cache may not keep it for longer than the link is valid
    answer.headers["Cache-Control"] = f"private, max-age={max(0, min(CACHED, seconds_left))}, immutable"
    answer.set_etag(name)
    answer.make_conditional(request)
    return answer
