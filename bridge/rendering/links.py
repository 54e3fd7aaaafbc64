"""Links of an incident: runbook, dashboard, the bridge's pages about it, and its alerts' sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from bridge.config.settings import Settings
from bridge.core.charts.expressions import expression_in
from bridge.core.model import Alert, Incident
from bridge.core.ports import Link
from bridge.rendering.runbooks import names
from bridge.rendering.silencing import alert_list, silence_form, silenced_labels
from bridge.rendering.text import clean

#: Annotations that are links; the last two come from sources other than Alertmanager, and that of suppressed
#: incidents from the bridge.
LINKED = (
    ("Runbook", "runbook_url"),
    ("Dashboard", "dashboard_url"),
    ("Suppressed incidents", "held_url"),
    ("Source", "url"),
    ("Silence", "silence_url"),
)
MAX_HREF = 2000  # Slack accepts 3000, but some mail clients truncate earlier
AROUND = timedelta(hours=1)  #: a dashboard's time range before and after the start
_NAME = re.compile(r"[\w.~-]+([/?]\S*)?", re.ASCII)  #: `HighLatency`, `team/HighLatency`; not `see the wiki`


@dataclass(frozen=True, slots=True)
class Addresses:
    """Base URLs of links, without a trailing slash."""

    bridge: str | None = None  #: its pages
    runbooks: str | None = None  #: None: the bridge's own runbooks
    dashboards: str | None = None
    alertmanagers: Mapping[str, str] = field(
        default_factory=dict
    )  #: source -> its Alertmanager's web interface, if any

    def incident(self, number: int, page: str = "") -> str | None:
        """page: "", or of ASCII letters and slashes."""
        base = _known_href(f"{self.bridge}/incidents/") if self.bridge else None
        href = f"{base}{number}{page}" if base else ""
        return href if base and len(href) <= MAX_HREF else None

    def runbook(self, reference: str) -> str | None:
        """The link of a URL or of a path below `runbooks`; without a base, of the bridge's own runbook if it exists."""
        name = own_runbook(reference, self)
        own = f"{self.bridge}/runbooks/{name}" if self.bridge and name else None
        return safe_href(reference) or (below(self.runbooks, reference) if self.runbooks else own and safe_href(own))

    def dashboard(self, reference: str) -> str | None:
        """The link of a URL, or of a path below `dashboards`."""
        return safe_href(reference) or (below(self.dashboards, reference) if self.dashboards else None)


def own_runbook(reference: str, addresses: Addresses) -> str:
    """The name of the bridge's own runbook that a `runbook_url` means; empty when it means another."""
    name = clean(reference).strip().strip("/")
    return name if name in names() and not addresses.runbooks else ""


def addresses_of(settings: Settings) -> Addresses:
    pages = {source.name: source.alertmanager_ui for source in settings.sources if source.alertmanager_ui}
    return Addresses(settings.external_url, settings.runbook_base_url, settings.dashboard_base_url, pages)


def safe_href(text: object) -> str | None:
    """The URL if it is http or https and has a host; anything else (javascript:, data:) is dropped."""
    href = quote(clean(text).strip(), safe="%/:?#[]@!$&'()*+,;=~-._")
    try:
        parts = urlsplit(href)
        fine = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return None
    return href if fine and len(href) <= MAX_HREF else None


#: for what many incidents share: the bridge's address, and a rule's page in Prometheus
_known_href = lru_cache(maxsize=256)(safe_href)


def below(base: str, reference: str) -> str | None:
    """The URL of a path or page name below the base; None if it is not a path, or leads out of the base."""
    text = clean(reference).strip()
    path = unquote(text.partition("?")[0])
    named = (text.startswith("/") and not text.startswith("//")) or _NAME.fullmatch(text)
    if not named or "\\" in path or ".." in path.split("/"):
        return None
    return safe_href(f"{base}/{text.lstrip('/')}")


def links_of(incident: Incident, alerts: Iterable[Alert], addresses: Addresses) -> tuple[Link, ...]:
    """Each URL once, the runbook first."""
    found: dict[str, str] = {}
    for text, href in _candidates(incident, list(alerts), addresses):
        if href is not None:
            found.setdefault(href, text)
    return tuple(Link(text, href) for href, text in found.items())


def _candidates(incident: Incident, alerts: list[Alert], addresses: Addresses) -> Iterator[tuple[str, str | None]]:
    for text, annotation in LINKED:
        values = [alert.annotations[annotation] for alert in alerts if alert.annotations.get(annotation)]
        yield text, _linked(annotation, values[0], alerts, addresses) if values else None
    yield from _pages(incident, addresses)
    yield from _sources(alerts)


def _linked(annotation: str, value: str, alerts: list[Alert], addresses: Addresses) -> str | None:
    match annotation:
        case "runbook_url":
            return addresses.runbook(value)
        case "dashboard_url":
            href = addresses.dashboard(value)
            return around(href, alerts) if href else None
    return safe_href(value)


def _pages(incident: Incident, addresses: Addresses) -> Iterator[tuple[str, str | None]]:
    """The bridge's own pages; without external_url those of the Alertmanager, if configured.

    Only an Alertmanager sends an external_url, and only its alerts can be silenced in this way.
    """
    ui = addresses.alertmanagers.get(incident.source)
    if addresses.bridge:
        yield "Alerts", addresses.incident(incident.number, "/alerts")
    elif ui:
        yield "Alerts", safe_href(alert_list(ui, incident.group_labels)) or safe_href(f"{ui}/#/alerts")
    if incident.resolved or not incident.external_url:
        return
    if addresses.bridge:
        yield "Silence", addresses.incident(incident.number, "/silence")
    elif ui and (labels := silenced_labels(incident)):
        yield "Silence", safe_href(silence_form(ui, labels))


def _sources(alerts: list[Alert]) -> Iterator[tuple[str, str | None]]:
    """The generator URL of the first alert that has one."""
    for alert in alerts:
        if href := _known_href(alert.generator_url):
            yield "Prometheus" if _is_query(alert.generator_url) else "Source", href
            return


@lru_cache(maxsize=256)
def _is_query(generator_url: str) -> bool:
    return expression_in(generator_url) is not None


def around(href: str, alerts: Iterable[Alert]) -> str:
    """A dashboard's URL with a time range around the first start, unless it has one.

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
