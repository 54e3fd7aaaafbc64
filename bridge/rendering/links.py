"""Links of an incident: runbook, dashboard, Alertmanager's alert list and its prefilled silence form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from bridge.core.model import Alert, Incident
from bridge.core.ports import Link
from bridge.rendering.text import clean

#: Annotations whose address is a link of its own; the last two come from other sources than
#: Alertmanager, and that of held incidents from the bridge.
LINKED = (
    ("Runbook", "runbook_url"),
    ("Dashboard", "dashboard_url"),
    ("Held incidents", "held_url"),
    ("Source", "url"),
    ("Silence", "silence_url"),
)
MAX_HREF = 2000  # Slack takes 3000, and some mail clients cut earlier
AROUND = timedelta(hours=1)  #: what a dashboard shows before and after the start


def safe_href(text: object) -> str | None:
    """The address if it is http or https and has a host; anything else (javascript:, data:) is dropped."""
    href = quote(clean(text).strip(), safe="%/:?#[]@!$&'()*+,;=~-._")
    try:
        parts = urlsplit(href)
        fine = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return None
    return href if fine and len(href) <= MAX_HREF else None


def links_of(incident: Incident, alerts: Iterable[Alert]) -> tuple[Link, ...]:
    """Each address once, the runbook first."""
    found: dict[str, str] = {}
    for text, href in _candidates(incident, list(alerts)):
        if href is not None:
            found.setdefault(href, text)
    return tuple(Link(text, href) for href, text in found.items())


def _candidates(incident: Incident, alerts: list[Alert]) -> Iterator[tuple[str, str | None]]:
    for text, annotation in LINKED:
        values = [alert.annotations[annotation] for alert in alerts if alert.annotations.get(annotation)]
        href = safe_href(values[0]) if values else None
        yield text, around(href, alerts) if href and annotation == "dashboard_url" else href
    if base := safe_href(incident.external_url.rstrip("/")):
        alerts_page = f"{base}/#/alerts"
        filtered = safe_href(f"{alerts_page}?filter={matcher_filter(incident.group_labels)}")
        yield "Alerts", filtered or safe_href(alerts_page)
        labels = incident.group_labels or common_labels(alerts)
        if labels and not incident.resolved:
            yield "Silence", safe_href(f"{base}/#/silences/new?filter={matcher_filter(labels)}")


def around(href: str, alerts: Iterable[Alert]) -> str:
    """A dashboard's address with its time range around the first start, unless it says its own.

    Grafana takes epoch milliseconds: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/create-dashboard-url-variables/
    """
    started = min((alert.starts_at for alert in alerts), default=None)
    parts = urlsplit(href)
    own = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} & {"from", "to"}
    if started is None or own:
        return href
    first, last = (int((started + gap).timestamp() * 1000) for gap in (-AROUND, AROUND))
    query = "&".join(part for part in (parts.query, f"from={first}&to={last}") if part)
    longer = urlunsplit(parts._replace(query=query))
    return longer if len(longer) <= MAX_HREF else href


def common_labels(alerts: list[Alert]) -> Mapping[str, str]:
    """A silence without matchers would silence all, so an ungrouped group is named by what is common."""
    first = alerts[0].labels if alerts else {}
    return {name: value for name, value in first.items() if all(a.labels.get(name) == value for a in alerts)}


def matcher_filter(labels: Mapping[str, str]) -> str:
    """As Alertmanager's own page parses it: JSON-quoted values, all percent-encoded, a space as %20.

    https://github.com/prometheus/alertmanager/blob/main/ui/app/src/Utils/Filter.elm
    """
    inner = ", ".join(f"{name}={json.dumps(clean(labels[name]), ensure_ascii=False)}" for name in sorted(labels))
    return quote("{" + inner + "}", safe="")
