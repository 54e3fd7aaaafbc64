"""GET /api/v1/...: what the pages show, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from bridge.core.changes import period_of
from bridge.core.context.measurements import as_of
from bridge.core.cursors import Page
from bridge.core.delivery.dead_letters import DeadLetter, DeadLetterFilter
from bridge.core.errors import Reason
from bridge.core.facts import AfterEnd, ChangeEvent, Fact, Measurements, newest_of
from bridge.core.incidents.periods import firing_period
from bridge.core.incidents.state_changes import Flaps
from bridge.core.model import Alert, Incident
from bridge.core.ports import Changes
from bridge.core.recurrence import Earlier, Recurrence, window_within
from bridge.core.views import Reader
from bridge.rendering.recurrence import last_time
from bridge.web.digest_links import held_channel
from bridge.web.incident_filters import NOT_WITH_HELD, filter_of
from bridge.web.logins import Logins
from bridge.web.pages import asked_after

T = TypeVar("T")
MOST = 1000
TRUTH = {None: None, "true": True, "false": False}


def blueprint(
    reader: Reader,
    kept: Changes,
    clock: Callable[[], datetime],
    logins: Logins,
    window: Callable[[], timedelta],
    flaps: Callable[[Incident], Flaps | None],
    retention: Callable[[], timedelta],
) -> Blueprint:
    routes = Blueprint("api", __name__, url_prefix="/api/v1")
    routes.before_request(logins.demand)

    @routes.get("/incidents")
    def list_incidents() -> ResponseReturnValue:
        now = clock()
        resolved, limit, after = _resolved(), _limit(), asked_after(request)
        channel = _held_channel()
        if channel is None:
            page = reader.page_of_incidents(resolved=resolved, limit=limit, after=after, wanted=filter_of(request))
        else:  # resolved incidents are never suppressed
            page = Page((), 0) if resolved else reader.page_of_held(channel, now, limit, after)
        counts = reader.alert_counts([incident.number for incident in page.items])
        return _listed("incidents", page, lambda each: _brief(each, counts.get(each.number, (0, 0)), flaps(each), now))

    @routes.get("/incidents/<int:number>")
    def show_incident(number: int) -> ResponseReturnValue:
        incident = reader.incident(number)
        if incident is None:
            abort(404, f"There is no incident {number}. GET /api/v1/incidents lists all incidents.")
        changes = [_change(each) for each in _changes_of(incident)]
        recurrence = reader.recurrence(incident, window_within(retention()))
        full = _full(incident, reader, flaps(incident), clock())
        return jsonify(full | {"changes": changes, "recurrence": _recurrence(recurrence) if recurrence else None})

    @routes.get("/dead-letters")
    def list_dead_letters() -> ResponseReturnValue:
        wanted = DeadLetterFilter(channel=request.args.get("channel"), reason=_reason())
        return _listed("dead_letters", reader.page_of_dead_letters(wanted, _limit(), asked_after(request)), _letter)

    @routes.get("/changes")
    def list_changes() -> ResponseReturnValue:
        return _listed("changes", kept.page_of_changes(_limit(), asked_after(request)), _change)

    def _changes_of(incident: Incident) -> list[ChangeEvent]:
        since, until = period_of(incident, clock(), window())
        return kept.changes_for([alert.labels for alert in incident.alerts.values()], since, until)

    return routes


def _listed(name: str, page: Page[T], shown: Callable[[T], dict[str, Any]]) -> ResponseReturnValue:
    return jsonify({name: [shown(each) for each in page.items], "next": page.next, "total": page.total})


def _held_channel() -> str | None:
    """Of a link in a digest; without `held`, the channel is one of the filters."""
    if "held" not in request.args:
        return None
    other = next((key for key in NOT_WITH_HELD if request.args.get(key)), None)
    if other is not None:
        abort(400, f"held goes with channel alone, and not with {other}")
    return held_channel(request)


def _resolved() -> bool | None:
    word = request.args.get("resolved")
    if word not in TRUTH:
        abort(400, f"resolved must be true or false, but is {word!r:.60}")
    return TRUTH[word]


def _reason() -> Reason | None:
    word = request.args.get("reason")
    if word is not None and word not in Reason._value2member_map_:
        abort(400, f"reason must be one of {', '.join(Reason)}, but is {word!r:.60}")
    return Reason(word) if word is not None else None


def _limit() -> int:
    word = request.args.get("limit", "100")
    if not (word.isascii() and word.isdigit() and len(word) < 6 and 1 <= int(word) <= MOST):
        abort(400, f"limit must be a number from 1 to {MOST}, but is {word!r:.60}")
    return int(word)


def _brief(incident: Incident, counts: tuple[int, int], flaps: Flaps | None, now: datetime) -> dict[str, Any]:
    """Times as ISO 8601; with the number of alerts instead of the alerts."""
    firing, total = counts
    return {
        "number": incident.number,
        "uid": incident.uid,
        "title": incident.title,
        "state": incident.state,
        "severity": incident.severity,
        "source": incident.source,
        "receiver": incident.receiver,
        "group_key": incident.group_key,
        "group_labels": dict(incident.group_labels),
        "dedup_key": incident.dedup_key,
        "revision": incident.revision,
        "opened_at": incident.opened_at.isoformat(),
        **_period(incident, now),
        "updated_at": incident.updated_at.isoformat(),
        "seen_at": incident.seen_at.isoformat(),
        "resolved_at": incident.resolved_at and incident.resolved_at.isoformat(),
        "resolved_by": incident.resolved_by,
        "acknowledged_at": incident.acknowledged_at and incident.acknowledged_at.isoformat(),
        "acknowledged_by": incident.acknowledged_by,
        "external_url": incident.external_url,
        "truncated": incident.truncated,
        "alerts_firing": firing,
        "alerts_total": total,
        "flapping": _dated(asdict(flaps)) if flaps else None,
    }


def _period(incident: Incident, now: datetime) -> dict[str, Any]:
    period = firing_period(incident)
    return {
        "started_at": period.started_at.isoformat(),
        "ended_at": period.ended_at and period.ended_at.isoformat(),
        "duration_seconds": int(period.duration(now).total_seconds()),
        "duration_exact": period.exact,
    }


def _full(incident: Incident, reader: Reader, flaps: Flaps | None, now: datetime) -> dict[str, Any]:
    number, period = incident.number, firing_period(incident)
    context = as_of(reader.measured(number, now), period.started_at, period.ended_at)
    return _brief(incident, (len(incident.firing), len(incident.alerts)), flaps, now) | {
        "measured": _measured(context) if context else None,
        "alerts": [_alert(alert) for alert in incident.alerts.values()],
        "timeline": [_dated(asdict(entry)) for entry in reader.timeline(number)],
        "deliveries": [_dated(asdict(delivery)) for delivery in reader.deliveries(number)],
    }


def _measured(known: Measurements) -> dict[str, Any]:
    """after_end: the values were measured after the incident's end. during: the last ones from while it fired."""
    context, ended = newest_of(known), known if isinstance(known, AfterEnd) else None
    return {
        "measured_at": context.at.isoformat(),
        "after_end": ended is not None,
        "hypothesis": asdict(context.hypothesis) if context.hypothesis else None,
        "facts": [_fact(fact) for fact in context.facts],
        "unknown": [asdict(each) for each in context.unknown],
        "during": _measured(ended.during) if ended and ended.during else None,
        "peaks": [_fact(fact) for fact in ended.peaks] if ended else [],
    }


def _fact(fact: Fact) -> dict[str, Any]:
    return _dated(asdict(fact))


def _recurrence(recurrence: Recurrence) -> dict[str, Any]:
    return {
        "text": last_time(recurrence),
        "subject": recurrence.subject,
        "count": recurrence.count,
        "at_least": recurrence.at_least,
        "window_seconds": int(recurrence.window.total_seconds()),
        "earlier": [_earlier(each) for each in recurrence.earlier],
    }


def _earlier(earlier: Earlier) -> dict[str, Any]:
    period = earlier.period
    return {
        "number": earlier.number,
        "title": earlier.title,
        "started_at": period.started_at.isoformat(),
        "ended_at": period.ended_at and period.ended_at.isoformat(),
        "duration_seconds": int(period.duration(period.ended_at or period.started_at).total_seconds()),
        "duration_exact": period.exact,
        "resolved_by": earlier.resolved_by or None,
        "change": _change(earlier.change) if earlier.change else None,
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "fingerprint": alert.fingerprint,
        "status": alert.status,
        "severity": alert.severity,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at": alert.starts_at.isoformat(),
        "ends_at": alert.ends_at and alert.ends_at.isoformat(),
        "generator_url": alert.generator_url,
        "muted": alert.muted,
        "held": alert.deferred,
    }


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return _dated(asdict(letter)) | {"why": letter.advice.why, "what_to_do": letter.advice.what_to_do}


def _change(change: ChangeEvent) -> dict[str, Any]:
    return _dated(asdict(replace(change, labels=dict(change.labels))))


def _dated(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in fields.items()}
