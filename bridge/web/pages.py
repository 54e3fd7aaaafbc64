"""The pages for people: what is wrong now, all about one incident, what was changed. Rendered here; no JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from bridge.core.changes import period_of, started_at
from bridge.core.dead_letters import Which
from bridge.core.digests import channel_of
from bridge.core.model import Alert, Incident, Severity
from bridge.core.ports import Changes
from bridge.core.turns import Flaps
from bridge.core.views import Reader
from bridge.rendering.context_view import view_of
from bridge.web.held import held_channel
from bridge.web.logins import Logins
from bridge.web.pictures import KeptPictures

ALERTS_SHOWN = 200
OPEN_SHOWN, RECENT_SHOWN = 500, 50
PICTURES_SHOWN = 4
CHANGES_SHOWN = 200
DEAD_SHOWN = 200
PAYLOAD_SHOWN = 4000  #: characters of what a vendor refused


def blueprint(
    reader: Reader,
    kept: Changes,
    pictures: KeptPictures,
    clock: Callable[[], datetime],
    logins: Logins,
    window: Callable[[], timedelta],
    flaps: Callable[[Incident], Flaps | None],
) -> Blueprint:
    routes = Blueprint("pages", __name__)
    routes.before_request(logins.demand)
    routes.add_app_template_filter(safe_link)
    routes.add_app_template_filter(span)
    routes.add_app_template_filter(moment)

    @routes.get("/")
    def list_incidents() -> ResponseReturnValue:
        channel = held_channel(request)
        if channel is not None:
            return list_held(channel)
        opened = sorted(reader.list_incidents(resolved=False, limit=OPEN_SHOWN), key=_urgency)
        recent = reader.list_incidents(resolved=True, limit=RECENT_SHOWN)
        counts = reader.alert_counts([incident.number for incident in opened + recent])
        return render_template("incidents.html", opened=opened, recent=recent, counts=counts, now=clock())

    def list_held(channel: str) -> ResponseReturnValue:
        held = reader.held_in_storm(channel, clock())
        counts = reader.alert_counts([incident.number for incident in held])
        return render_template("held.html", channel=channel, held=held, counts=counts, now=clock())

    @routes.get("/incidents/<int:number>")
    def show_incident(number: int) -> ResponseReturnValue:
        incident = reader.incident(number)
        if incident is None:
            abort(
                404,
                f"There is no incident {number}. It may have been older than the retention in routes.yaml.",
            )
        alerts = sorted(incident.alerts.values(), key=_worst_first)
        now, started = clock(), started_at(incident)
        changes = kept.changes_for([alert.labels for alert in alerts], *period_of(incident, now, window()))
        return render_template(
            "incident.html",
            incident=incident,
            flaps=flaps(incident),
            alerts=alerts[:ALERTS_SHOWN],
            hidden=len(alerts) - len(alerts[:ALERTS_SHOWN]),
            timeline=reader.timeline(number),
            deliveries=reader.deliveries(number),
            pictures=pictures.of_incident(number)[:PICTURES_SHOWN],
            learned=view_of(reader.context(number, now), started),
            changes=[(change, _around(change.at, started)) for change in changes[:CHANGES_SHOWN]],
            held_channel=None if incident.resolved else channel_of(incident),
            window=span(started - window(), started),
            now=now,
            cut=PAYLOAD_SHOWN,
        )

    @routes.get("/dead-letters")
    def list_dead_letters() -> ResponseReturnValue:
        letters = reader.dead_letters(Which(), DEAD_SHOWN)
        return render_template("dead_letters.html", letters=letters, most=DEAD_SHOWN, now=clock(), cut=PAYLOAD_SHOWN)

    @routes.get("/changes")
    def list_changes() -> ResponseReturnValue:
        changes = kept.recent(CHANGES_SHOWN)
        return render_template("changes.html", changes=changes, most=CHANGES_SHOWN, now=clock())

    return routes


def _around(at: datetime, started: datetime) -> str:
    return f"{span(at, started)} before the start" if at <= started else f"{span(started, at)} after the start"


def _urgency(incident: Incident) -> tuple[int, bool]:
    """Stable: within one severity the newest change stays first."""
    return incident.severity.rank, incident.acknowledged_at is not None


def _worst_first(alert: Alert) -> tuple[bool, int, datetime]:
    return not alert.firing, Severity.of(alert.labels).rank, alert.starts_at


def safe_link(value: str) -> str:
    """The address itself if a browser may follow it, else nothing."""
    value = value.strip()
    if any(letter.isspace() for letter in value) or not value.isprintable():
        return ""
    try:
        parts = urlsplit(value)
        return value if parts.scheme in {"http", "https"} and parts.hostname else ""
    except ValueError:
        return ""


def span(start: datetime, end: datetime) -> str:
    """How long, in its two largest units: 3 d 4 h."""
    seconds = max(0, int((end - start).total_seconds()))
    amounts = (("d", seconds // 86400), ("h", seconds // 3600 % 24), ("min", seconds // 60 % 60))
    parts = [f"{amount} {unit}" for unit, amount in amounts if amount]
    return " ".join(parts[:2]) or f"{seconds} s"


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
