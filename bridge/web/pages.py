"""The list pages: open and resolved incidents, suppressed ones, changes and dead letters.

Rendered on the server; no JavaScript.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, Request, render_template, request
from flask.typing import ResponseReturnValue

from bridge.core.delivery.dead_letters import DeadLetterFilter
from bridge.core.ports import Changes
from bridge.core.views import Reader
from bridge.web.digest_links import held_channel
from bridge.web.filters import add_filters, safe_link, span
from bridge.web.logins import Logins

SHOWN = 100  #: items per page
RECENT_SHOWN = 20
PAYLOAD_SHOWN = 4000  #: characters of what a vendor refused


def blueprint(reader: Reader, kept: Changes, clock: Callable[[], datetime], logins: Logins) -> Blueprint:
    routes = Blueprint("pages", __name__)
    routes.before_request(logins.demand)
    add_filters(routes)

    @routes.get("/")
    def list_incidents() -> ResponseReturnValue:
        channel = held_channel(request)
        if channel is not None:
            return list_suppressed(channel)
        page = reader.page_of_incidents(resolved=False, limit=SHOWN, after=asked_after(request))
        recent = reader.recently_resolved(RECENT_SHOWN) if not page.before else ()
        shown = [*page.items, *recent]
        counts = reader.alert_counts([incident.number for incident in shown])
        by_severity = reader.open_counts()
        return render_template(
            "incidents.html", page=page, recent=recent, by_severity=by_severity, counts=counts, now=clock()
        )

    @routes.get("/resolved")
    def list_resolved() -> ResponseReturnValue:
        page = reader.page_of_incidents(resolved=True, limit=SHOWN, after=asked_after(request))
        counts = reader.alert_counts([incident.number for incident in page.items])
        return render_template("resolved.html", page=page, counts=counts, now=clock())

    def list_suppressed(channel: str) -> ResponseReturnValue:
        page = reader.page_of_held(channel, clock(), SHOWN, asked_after(request))
        counts = reader.alert_counts([incident.number for incident in page.items])
        return render_template("held.html", channel=channel, page=page, counts=counts, now=clock())

    @routes.get("/dead-letters")
    def list_dead_letters() -> ResponseReturnValue:
        page = reader.page_of_dead_letters(DeadLetterFilter(), SHOWN, asked_after(request))
        return render_template("dead_letters.html", page=page, now=clock(), cut=PAYLOAD_SHOWN)

    @routes.get("/changes")
    def list_changes() -> ResponseReturnValue:
        page = kept.page_of_changes(SHOWN, asked_after(request))
        return render_template("changes.html", page=page, now=clock())

    return routes


def asked_after(asked: Request) -> str | None:
    """The cursor in `?cursor=...`."""
    return asked.args.get("cursor") or None


__all__ = ["PAYLOAD_SHOWN", "SHOWN", "asked_after", "blueprint", "safe_link", "span"]
