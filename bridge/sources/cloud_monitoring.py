"""The webhook of Google Cloud Monitoring (schema 1.2, and its test notification) as a Group of one alert.

Invariant: pure; any bytes give a Group or InvalidPayload, and nothing else. Only the incident's id, state and times are
required; other fields are left out when malformed, so they never cost the alert.
https://cloud.google.com/monitoring/support/notification-options#webhooks
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bridge.core.errors import InvalidPayload
from bridge.core.model import Alert, Group, Status
from bridge.rendering.text import cut, one_line
from bridge.sources.alertmanager import fingerprint_of
from bridge.sources.cloud_documentation import description_of, runbook_of, subject_of
from bridge.sources.reading import clean, read_json, readable, shown, time

STATES = {"open": Status.FIRING, "closed": Status.RESOLVED}
#: Google has no info, and its ERROR is between the two: it pages, as one page too many is better than one too few. A
#: user label `severity` takes precedence.
SEVERITIES = {"critical": "critical", "error": "critical", "warning": "warning"}
UNSPECIFIED = ("", "no severity", "severity_unspecified")
#: as Prometheus and the default questions name them
RENAMED = {
    "namespace_name": "namespace",
    "pod_name": "pod",
    "container_name": "container",
    "cluster_name": "cluster",
    "project_id": "project",
}
IN_TITLE = ("alertname", "cluster", "namespace", "pod")
SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)
LATEST = 4_102_444_800  #: the year 2100; milliseconds are far beyond
MAX_NAME = 200
MAX_TEXT = 1000


def parse(body: bytes, source: str, now: datetime, distinct: bool = False) -> Group:
    """Raises InvalidPayload, which names the field. `now` replaces a missing start."""
    document = read_json(body)
    if not isinstance(document, dict):
        raise InvalidPayload("", f"must be Cloud Monitoring's webhook, a JSON object, but is {shown(document)}")
    incident = document.get("incident")
    if not isinstance(incident, dict):
        raise InvalidPayload("incident", f"must be an object, but is {shown(incident)}: is this Cloud Monitoring's?")
    identity = _identity(incident)
    labels = _labels(incident) | ({"test": "true"} if document.get("version") == "test" else {})
    return Group(
        source=source,
        receiver="",
        group_key=f"cloud_monitoring:{identity}",
        group_labels={name: labels[name] for name in IN_TITLE if name in labels},
        alerts=(_alert(incident, identity, labels, now),),
        distinct=distinct,
    )


def _identity(incident: Mapping[str, Any]) -> str:
    """The same when it opens and closes, whatever else changes."""
    given = incident.get("incident_id")
    exact = str(given) if type(given) in (int, float) else readable(given)  # rounding could merge two ids
    identity = one_line(exact)
    if not identity or len(identity) > MAX_NAME:
        raise InvalidPayload("incident.incident_id", f"must identify the incident, but is {shown(given)}")
    return identity


def _alert(incident: Mapping[str, Any], identity: str, labels: dict[str, str], now: datetime) -> Alert:
    status = _status(incident)
    started, ended = _time(incident, "started_at"), _time(incident, "ended_at")
    return Alert(
        fingerprint=fingerprint_of({"incident_id": identity}),
        status=status,
        labels=labels,
        annotations=_annotations(incident, labels["alertname"]),
        starts_at=started or now,
        # Without both, it ends when it is received: an end before the start would leave it open for ever.
        ends_at=max(started, ended) if started and ended and status is Status.RESOLVED else None,
        generator_url=readable(incident.get("url")),
    )


def _status(incident: Mapping[str, Any]) -> Status:
    status = STATES.get(readable(incident.get("state")).lower())
    if status is None:
        found = shown(incident.get("state"))
        raise InvalidPayload("incident.state", f'must be "open" or "closed", in any case, but is {found}')
    return status


def _time(incident: Mapping[str, Any], name: str) -> datetime | None:
    """Seconds since 1970; None for null and for 0, which the test notification has."""
    value = incident.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and not SECONDS.fullmatch(value):
        return time(incident, name, "incident")
    try:
        return _from_epoch(value)
    except (TypeError, ValueError, OverflowError, OSError):
        fault = f"must be seconds since 1970 (not milliseconds), or null, but is {shown(value)}"
        raise InvalidPayload(f"incident.{name}", fault) from None


def _from_epoch(value: Any) -> datetime | None:
    seconds = float(value)
    if isinstance(value, bool) or not 0 <= seconds <= LATEST:
        raise ValueError
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _labels(incident: Mapping[str, Any]) -> dict[str, str]:
    """Later ones win for the same name: the metric's, the resource's, the policy's, the bridge's own."""
    resource, metric = _object(incident, "resource"), _object(incident, "metric")
    users = _words(incident, "policy_user_labels")
    found = {
        **_words(metric, "labels"),
        "metric": one_line(readable(metric.get("type"))),
        "resource_type": one_line(readable(resource.get("type"))),
        "project": one_line(readable(incident.get("scoping_project_id"))),
        "condition": _condition(incident),
        **{RENAMED.get(name, name): word for name, word in _words(resource, "labels").items()},
        **users,
        "alertname": _name(incident),
        "severity": users.get("severity", "") or _severity(incident),
    }
    return {name: cut(value, MAX_TEXT) for name, value in found.items() if value}


def _severity(incident: Mapping[str, Any]) -> str:
    word = one_line(readable(incident.get("severity"))).lower()
    return "" if word in UNSPECIFIED else SEVERITIES.get(word, word)


def _name(incident: Mapping[str, Any]) -> str:
    name = one_line(readable(incident.get("policy_name"))) or _condition(incident)
    return cut(name, MAX_NAME) or "Cloud Monitoring incident"


def _condition(incident: Mapping[str, Any]) -> str:
    name = incident.get("condition_name") or _object(incident, "condition").get("displayName")
    return one_line(readable(name))


def _annotations(incident: Mapping[str, Any], name: str) -> dict[str, str]:
    documentation = incident.get("documentation")
    found = {
        "summary": _summary(incident, subject_of(documentation) or name),
        "description": description_of(documentation),
        "runbook_url": runbook_of(documentation),
        "url": readable(incident.get("url")),
        "resource": one_line(readable(incident.get("resource_display_name") or incident.get("resource_name"))),
        "observed_value": readable(incident.get("observed_value")),
        "threshold_value": readable(incident.get("threshold_value")),
    }
    return {key: value for key, value in found.items() if value}


def _summary(incident: Mapping[str, Any], otherwise: str) -> str:
    """Google's summary, which usually has the values; missing ones are appended."""
    summary = one_line(readable(incident.get("summary"))) or otherwise
    observed = one_line(readable(incident.get("observed_value")))
    threshold = one_line(readable(incident.get("threshold_value")))
    parts = []
    if observed and observed not in summary and "a value of" not in summary:
        parts.append(f"value {_short(observed)}" if _is_number(observed) else cut(observed, 300))
    if threshold and threshold not in summary and "threshold of" not in summary:
        parts.append(f"threshold {_short(threshold)}")
    return cut(summary, MAX_TEXT) + (f" ({', '.join(parts)})" if parts else "")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _short(word: str) -> str:
    """Six significant digits of a number."""
    return f"{float(word):.6g}" if _is_number(word) else cut(word, MAX_NAME)


def _object(thing: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = thing.get(name)
    return value if isinstance(value, dict) else {}


def _words(thing: Mapping[str, Any], name: str) -> dict[str, str]:
    found = {one_line(clean(key))[:MAX_NAME]: one_line(readable(each)) for key, each in _object(thing, name).items()}
    return {key: word for key, word in found.items() if key}
