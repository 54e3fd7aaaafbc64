"""The webhook of Grafana's unified alerting (version "1") as a Group.

Invariant: pure; any bytes give a Group or InvalidPayload, and nothing else. Optional fields (values, links) are left
out when malformed, so they never cost the alert.
https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bridge.core.errors import InvalidPayload
from bridge.core.model import Alert, Group
from bridge.sources.alertmanager import fingerprint_of, read_alert, read_alerts
from bridge.sources.reading import clean, read_json, readable, shown, text, texts, whole_number

PRIVATE = re.compile(r"__.*__")  #: Grafana's own labels and annotations, such as __alert_rule_uid__
#: annotation -> Grafana's fields for it; the first present one counts
LINKS = {
    "dashboard_url": ("panelURL", "dashboardURL"),
    "silence_url": ("silenceURL",),
    "image_url": ("imageURL",),
}
MAX_VALUES = 20


def parse(body: bytes, source: str, distinct: bool = False) -> Group:
    """Raises InvalidPayload, which names the field. Unknown fields are ignored; labels keep their names."""
    document = read_json(body)
    if not isinstance(document, dict):
        raise InvalidPayload("", f"must be Grafana's webhook, a JSON object, but is {shown(document)}")
    _check_version(document)
    alerts = read_alerts(document, _alert)
    group_labels = _public(texts(document, "groupLabels", ""))
    return Group(
        source=source,
        receiver=text(document, "receiver", ""),
        group_key=text(document, "groupKey", "") or _key_of(group_labels, alerts),
        group_labels=group_labels,
        alerts=alerts,
        # without its externalURL: messages would link to pages that only Alertmanager has
        truncated=whole_number(document, "truncatedAlerts"),
        distinct=distinct,
    )


def _check_version(document: Mapping[str, Any]) -> None:
    if document.get("version") == "4" and "orgId" not in document:
        raise InvalidPayload("version", 'is "4", as from Alertmanager: post that to /webhook/alertmanager')


def _key_of(group_labels: Mapping[str, str], alerts: tuple[Alert, ...]) -> str:
    """For a payload template that leaves groupKey out: the labels of the group, or else the alerts themselves."""
    if group_labels:
        return f"grafana:{fingerprint_of(group_labels)}"
    if not alerts:
        raise InvalidPayload("groupKey", "is missing, and no alert identifies the group: is this Grafana's?")
    return "grafana:" + ",".join(sorted(alert.fingerprint for alert in alerts))


def _alert(item: object, path: str) -> Alert:
    alert = read_alert(item, path)
    document = item if isinstance(item, dict) else {}
    return replace(
        alert,
        labels=_public(alert.labels),
        annotations=_annotations(alert, document),
        generator_url=alert.generator_url or readable(document.get("ruleUrl") or document.get("ruleURL")),
    )


def _annotations(alert: Alert, document: Mapping[str, Any]) -> dict[str, str]:
    """The rule's annotations take precedence over Grafana's fields."""
    added = {name: _first(document, *fields) for name, fields in LINKS.items()}
    values = _values(document)
    added["values"] = values
    added["summary"] = f"{alert.name}: {values}" if values else ""
    return {name: value for name, value in added.items() if value} | _public(alert.annotations)


def _first(document: Mapping[str, Any], *fields: str) -> str:
    return next((found for field in fields if (found := readable(document.get(field)))), "")


def _values(document: Mapping[str, Any]) -> str:
    """`B=0.31, C=1`, by the letters of the rule's expressions; null is what could not be evaluated."""
    values = document.get("values")
    shown_values = {name: readable(value) for name, value in values.items()} if isinstance(values, dict) else {}
    return ", ".join(
        [f"{clean(name)[:50]}={shown_values[name]}" for name in sorted(shown_values) if shown_values[name]][:MAX_VALUES]
    )


def _public(named: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in named.items() if not PRIVATE.fullmatch(name)}
