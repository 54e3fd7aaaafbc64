"""The pages of one incident: details, alerts, and how to silence them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from bridge.config.settings import Settings
from bridge.core.changes import period_of
from bridge.core.context.measurements import as_of
from bridge.core.cursors import Page, cursor_of, key_in
from bridge.core.incidents.notices import is_informational
from bridge.core.incidents.periods import firing_period
from bridge.core.incidents.state_changes import Flaps
from bridge.core.model import Alert, Incident
from bridge.core.ports import Changes, Link
from bridge.core.recurrence import window_within
from bridge.core.storms.digests import channel_of
from bridge.core.views import Reader
from bridge.rendering.context_view import beginning_of, view_of
from bridge.rendering.first_step import answered_by, first_step_of
from bridge.rendering.links import addresses_of, links_of
from bridge.rendering.silencing import amtool_command, silence_form, silenced_labels
from bridge.rendering.view import believable
from bridge.web.charts import ChartStore, Shown
from bridge.web.filters import safe_link, span
from bridge.web.logins import Logins
from bridge.web.pages import PAYLOAD_SHOWN, asked_after

ALERTS_SHOWN = 50  #: below everything else; the rest has a page of its own
ALERTS_OF_A_PAGE = 200
CHARTS_SHOWN = 4
CHANGES_SHOWN = 200
HERE = "http://here.invalid"  #: placeholder for the requested host where a URL must be absolute
FORM_LONGEST = 8000  #: characters of a URL that browsers accept


@dataclass(frozen=True, slots=True)
class Silencing:
    """What the page says about silencing an incident's alerts."""

    command: str  #: empty: none
    form: str  #: URL of Alertmanager's own form, filled in; empty: none
    elsewhere: str  #: URL where another source offers it; empty: none
    matched: int  #: of the firing alerts


def blueprint(
    current: Callable[[], Settings],
    reader: Reader,
    kept: Changes,
    charts: ChartStore,
    clock: Callable[[], datetime],
    logins: Logins,
    window: Callable[[], timedelta],
    flaps: Callable[[Incident], Flaps | None],
) -> Blueprint:
    routes = Blueprint("incident", __name__, url_prefix="/incidents")
    routes.before_request(logins.demand)

    @routes.get("/<int:number>")
    def show(number: int) -> ResponseReturnValue:
        incident = _found(number)
        alerts = believable(incident, sorted(incident.alerts.values(), key=_worst_first))
        now, period = clock(), firing_period(incident)
        started = period.started_at
        context = as_of(reader.measured(number, now), started, period.ended_at)
        beginning = beginning_of(context, started)
        changes = kept.changes_for([alert.labels for alert in alerts], *period_of(incident, now, window()))
        return render_template(
            "incident.html",
            incident=incident,
            informational=is_informational(incident),
            flaps=flaps(incident),
            alerts=alerts[:ALERTS_SHOWN],
            hidden=len(alerts) - len(alerts[:ALERTS_SHOWN]),
            timeline=reader.timeline(number),
            deliveries=reader.deliveries(number),
            charts=_newest_of_each(charts.of_incident(number))[:CHARTS_SHOWN],
            period=period,
            context=view_of(context, started),
            first_step=first_step_of(alerts, addresses_of(current()), answered_by(context)),
            changes=[(change, beginning.gap(change.at)) for change in changes[:CHANGES_SHOWN]],
            recurrence=reader.recurrence(incident, window_within(current().retention)),
            held_channel=None if incident.resolved else channel_of(incident),
            window=span(started - window(), started),
            alertmanager=_ui(current(), incident),
            links=_links(current(), incident, alerts),
            now=now,
            cut=PAYLOAD_SHOWN,
        )

    @routes.get("/<int:number>/alerts")
    def alerts(number: int) -> ResponseReturnValue:
        incident = _found(number)
        page = _page_of(incident, asked_after(request))
        page = replace(page, items=tuple(believable(incident, page.items)))
        informational = is_informational(incident)
        return render_template("alerts.html", incident=incident, page=page, informational=informational, now=clock())

    @routes.get("/<int:number>/silence")
    def silence(number: int) -> ResponseReturnValue:
        incident = _found(number)
        silencing, informational = _silencing(current(), incident), is_informational(incident)
        return render_template("silence.html", incident=incident, silencing=silencing, informational=informational)

    def _found(number: int) -> Incident:
        incident = reader.incident(number)
        if incident is None:
            abort(404, f"There is no incident {number}. It may be older than the retention in routes.yaml.")
        return incident

    return routes


def _newest_of_each(charts: Sequence[Shown]) -> list[Shown]:
    """The newest version of each chart."""
    newest: dict[tuple[str, str], Shown] = {}
    for each in charts:
        newest.setdefault((each.picture.kind, each.picture.title), each)
    return list(newest.values())


def _links(settings: Settings, incident: Incident, alerts: list[Alert]) -> list[Link]:
    """As in messages, but links to the bridge's own pages are relative, whatever external_url says."""
    addresses = replace(addresses_of(settings), bridge=HERE)
    every = (replace(link, href=link.href.removeprefix(HERE)) for link in links_of(incident, alerts, addresses))
    return [link for link in every if not link.href.startswith(f"/incidents/{incident.number}")]


def _page_of(incident: Incident, after: str | None) -> Page[Alert]:
    """Raises BadCursor."""
    every = sorted(incident.alerts.values(), key=_worst_first)
    last_seen = key_in(after, "alert", int, int, datetime, str) if after is not None else None
    left = [alert for alert in every if last_seen is None or _worst_first(alert) > last_seen]
    following = cursor_of("alert", *_worst_first(left[ALERTS_OF_A_PAGE - 1])) if len(left) > ALERTS_OF_A_PAGE else None
    return Page(tuple(left[:ALERTS_OF_A_PAGE]), len(every), len(every) - len(left), following)


def _silencing(settings: Settings, incident: Incident) -> Silencing:
    """Only an Alertmanager sends an external_url, and amtool works with no other source."""
    labels, ui = silenced_labels(incident), _ui(settings, incident)
    possible = bool(incident.external_url) and bool(labels)
    form = silence_form(ui, labels) if possible and ui else ""
    elsewhere = (safe_link(alert.annotations.get("silence_url", "")) for alert in incident.alerts.values())
    return Silencing(
        command=amtool_command(labels, f"#{incident.number} {incident.title}", _address(settings, incident))
        if possible
        else "",
        form=form if len(form) <= FORM_LONGEST else "",
        elsewhere=next(filter(None, elsewhere), ""),
        matched=sum(all(a.labels.get(name, "") == value for name, value in labels.items()) for a in incident.firing),
    )


def _address(settings: Settings, incident: Incident) -> str:
    """The Alertmanager's URL: from the source's settings, else from its webhooks."""
    urls = next((source.alertmanagers for source in settings.sources if source.name == incident.source), ())
    return urls[0] if urls else safe_link(incident.external_url)


def _ui(settings: Settings, incident: Incident) -> str:
    found = (source.alertmanager_ui for source in settings.sources if source.name == incident.source)
    return next(found, None) or ""


def _worst_first(alert: Alert) -> tuple[int, int, datetime, str]:
    return int(not alert.firing), alert.severity.rank, alert.starts_at, alert.fingerprint
