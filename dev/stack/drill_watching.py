"""The state of one alert in Prometheus, Alertmanager, the bridge and the sandbox. Read-only."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dev.stack.errors import StackError
from dev.stack.places import Places
from dev.stack.ports import Ports

ANSWER_SECONDS = 10.0
NOTIFIED_BY = {"critical": "page", "warning": "mail", "info": "slack"}  # as the routes of routes.yaml say
Json = dict[str, Any]


class Unanswered(Exception):
    """A service does not answer, or not as expected; it may the next time."""


@dataclass(frozen=True)
class Site:
    """A run of `make up`: its services' addresses, and its speed."""

    places: Places
    ports: Ports
    speed: int

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{getattr(self.ports, service)}"

    def replica(self, number: int) -> str:
        return f"http://127.0.0.1:{self.ports.replicas[number]}"


def running_site(places: Places) -> Site:
    """Raises StackError when no `make up` runs here, or not yet."""
    try:
        content = json.loads(places.running.read_text(encoding="utf-8"))
        site = Site(places, Ports(**content["ports"]), int(content["speed"]))
        request(f"{site.url('prometheus')}/-/ready")
    except (OSError, ValueError, TypeError, KeyError, Unanswered) as fault:
        raise StackError(
            f"No complete `make up` was found in {places.run} ({type(fault).__name__}: {fault}).\n"
            "Start it in another terminal and wait for its screen:  make up\n"
            "Or let the drill start one of its own:  python -m dev.stack drill SCENARIO --start"
        ) from None
    return site


def request(url: str, method: str = "GET", body: Json | None = None) -> bytes:
    """Never through a proxy: these are addresses of this machine. Raises Unanswered."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with opener.open(asked, timeout=ANSWER_SECONDS) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as fault:
        raise Unanswered(f"{url} answered {fault.code}: {fault.read(300).decode(errors='replace')}") from None
    except OSError as fault:
        raise Unanswered(f"{url} does not answer: {fault}") from None


def ask(url: str, **query: str) -> Any:
    """Its JSON. Raises Unanswered."""
    try:
        return json.loads(request(f"{url}?{urllib.parse.urlencode(query)}" if query else url))
    except ValueError:
        raise Unanswered(f"{url} did not answer with JSON.") from None


@dataclass(frozen=True)
class Rule:
    """An alert as this run's Prometheus evaluates it: its expression, and seconds."""

    alert: str
    expression: str
    for_seconds: float
    keep_firing_seconds: float
    labels: Mapping[str, str]

    @property
    def notified_by(self) -> str:
        """page, mail or slack through the bridge; direct past it; no channel."""
        if self.labels.get("route") == "direct":
            return "direct"
        return NOTIFIED_BY.get(self.labels["severity"], "no channel")


@dataclass(frozen=True)
class Incident:
    """As the bridge shows it."""

    number: int
    uid: str
    dedup_key: str
    state: str
    revision: int
    url: str


class Watch:
    """All methods raise Unanswered."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def rule(self, alert: str) -> Rule:
        """Raises StackError when this Prometheus has no such alert."""
        groups = ask(f"{self._site.url('prometheus')}/api/v1/rules", type="alert")["data"]["groups"]
        for rule in (rule for group in groups for rule in group["rules"] if rule["name"] == alert):
            return Rule(alert, rule["query"], rule["duration"], rule.get("keepFiringFor", 0.0), rule["labels"])
        raise StackError(f"Prometheus at {self._site.url('prometheus')} has no alert {alert}; see its /rules.")

    def value(self, expression: str) -> float | None:
        """The largest of all values; None when there is none."""
        answer = ask(f"{self._site.url('prometheus')}/api/v1/query", query=expression)
        values = [float(each["value"][1]) for each in answer["data"]["result"]]
        return max((value for value in values if not math.isnan(value)), default=None)

    def state(self, alert: str) -> str:
        """firing before pending; empty when it is neither."""
        alerts = ask(f"{self._site.url('prometheus')}/api/v1/alerts")["data"]["alerts"]
        return min((each["state"] for each in alerts if each["labels"]["alertname"] == alert), default="")

    def since(self, alert: str) -> str:
        """In Alertmanager: unknown, active, or muted and by what."""
        found = ask(f"{self._site.url('alertmanager')}/api/v2/alerts", filter=f'alertname="{alert}"')
        if not found:
            return "Alertmanager does not know it"
        if muting := sorted({each for one in found for each in one["status"]["inhibitedBy"]}):
            return f"Alertmanager mutes it, because of {', '.join(self._named(each) for each in muting)}"
        return "Alertmanager has it"

    def _named(self, fingerprint: str) -> str:
        every = ask(f"{self._site.url('alertmanager')}/api/v2/alerts")
        return next((each["labels"]["alertname"] for each in every if each["fingerprint"] == fingerprint), fingerprint)

    def incident(self, alert: str) -> Incident | None:
        """The newest of this alert."""
        listed = ask(f"{self._site.url('bridge')}/api/v1/incidents", limit="1000")["incidents"]
        found = [each for each in listed if each["group_labels"].get("alertname") == alert]
        if not found:
            return None
        newest = max(found, key=lambda each: each["number"])
        url = f"{self._site.url('bridge')}/incidents/{newest['number']}"
        return Incident(newest["number"], newest["uid"], newest["dedup_key"], newest["state"], newest["revision"], url)

    def cause(self, incident: Incident) -> str | None:
        """As its message names it, with rule and confidence; empty when it names none, None while that is unknown."""
        measured = ask(f"{self._site.url('bridge')}/api/v1/incidents/{incident.number}")["measured"]
        if measured is None:
            return None
        cause = (measured["during"] or measured)["hypothesis"]
        return f"{cause['text']} ({cause['rule']}, {cause['confidence']})" if cause else ""

    def message(self, rule: Rule, incident: Incident | None, firing: bool) -> str:
        """The message that shows it; empty while no message shows it firing (or resolved)."""
        seen = ask(f"{self._site.url('sandbox')}/state")
        if rule.notified_by == "direct":
            return _paged((each for each in seen["pagerduty"]["incidents"] if _is_direct(each, rule.alert)), firing)
        if incident is None or (incident.state == "resolved") == firing:
            return ""
        if rule.notified_by == "page":
            pages = (each for each in seen["pagerduty"]["incidents"] if each["dedup_key"] == incident.dedup_key)
            return _paged(pages, firing)
        if rule.notified_by == "mail":
            return _mailed(seen["mail"], incident, firing)
        return _posted(seen["slack"]["channels"], incident)


def _is_direct(page: Json, alert: str) -> bool:
    """Alertmanager's own receiver links the runbook, whose page has the alert's name."""
    return str(page["custom_details"].get("runbook", "")).endswith(f"/{alert}")


def _paged(pages: Iterator[Json], firing: bool) -> str:
    """The last one with this key is the current one: earlier ones were resolved."""
    found = list(pages)
    if not found or (found[-1]["status"] == "resolved") == firing:
        return ""
    return f"PagerDuty incident #{found[-1]['number']}, {found[-1]['status']}: {found[-1]['summary']}"


def _mailed(mails: list[Json], incident: Incident, firing: bool) -> str:
    for mail in reversed(mails):
        headers = dict(mail["headers"])
        if headers.get("X-Alert-Incident") != str(incident.number):
            continue
        status = headers["X-Alert-Status"]
        fits = status == ("firing" if firing else "resolved") and int(headers["X-Alert-Revision"]) >= incident.revision
        return f"mail {mail['number']} to {', '.join(mail['recipients'])}: {mail['subject']}" if fits else ""
    return ""


def _posted(channels: Mapping[str, Json], incident: Incident) -> str:
    """A message is edited when its incident ends, so its revision tells which state it shows."""
    for name, channel in channels.items():
        for message in reversed(channel["messages"]):
            payload = (message["metadata"] or {}).get("event_payload", {})
            mine = str(payload.get("delivery_id", "")).startswith(f"{incident.uid}:")
            if mine and payload["revision"] >= incident.revision:
                return f"Slack message in #{name.lstrip('#')}: {message['text']}"
    return ""
