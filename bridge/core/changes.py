"""Change events: which alerts report one, when two reports are the same, and which incidents a change concerns.

Pure. The value is bridge.core.facts.ChangeEvent; bridge.core.context.causes decides what a change may have caused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bridge.core.facts import ChangeEvent
from bridge.core.incidents.periods import firing_period
from bridge.core.model import Alert, Group, Incident
from bridge.core.routing.matchers import Matcher

#: The kinds that the bridge describes. Others are stored as they are and counted as `other`.
KINDS = ("deploy", "rollback", "retraining", "config")
OTHER = "other"
LATEST = 253402300800.0  #: Unix seconds of the year 10000, which no datetime holds
#: A deployment that its job posted is reported again by the alert that watches versions, somewhat later.
SEEN_AGAIN_WITHIN = timedelta(minutes=15)
#: How far before an incident's start its cause may lie.
WINDOW = timedelta(hours=2)
#: Labels that may name the service of an alert, the most specific first.
SERVICE_LABELS = ("service", "job", "app", "model")
#: Labels that say where: a change and an alert that differ in one do not concern each other.
PLACE_LABELS = ("service", "job", "app", "model", "namespace", "cluster", "environment")


@dataclass(frozen=True, slots=True)
class ChangeRule:
    """Alerts that match all matchers report a change. service_label None: the first of SERVICE_LABELS present."""

    matchers: tuple[Matcher, ...]
    kind: str
    version_label: str = "version"
    service_label: str | None = None

    def matches(self, alert: Alert) -> bool:
        return all(matcher.matches(alert.labels) for matcher in self.matchers)


#: For the change alerts among the rules that come with the bridge.
CHANGE_RULES = (
    ChangeRule((Matcher("alertname", "=", "MLModelDeployed"),), "deploy"),
    ChangeRule((Matcher("alertname", "=", "MLRetrainingStarted"),), "retraining"),
)


def began_to_serve(began: Mapping[str, float], service: str, reported: Sequence[ChangeEvent]) -> list[ChangeEvent]:
    """New versions seen in metrics that no change event reported. began: version -> since when (Unix seconds)."""
    known = {change.version for change in reported if change.version}
    return [
        ChangeEvent(
            kind="appeared",
            service=service,
            at=datetime.fromtimestamp(at, UTC),
            summary=f"{version} began to serve (seen in the metrics)",
            version=version,
            source="metrics",
        )
        for version, at in began.items()
        if version not in known and 0 < at < LATEST
    ]


def bounded(kind: str) -> str:
    """For metrics, whose labels must not come from outside: one of KINDS, or `other`."""
    return kind if kind in KINDS else OTHER


def summary_of(kind: str, service: str, version: str = "", previous: str = "") -> str:
    """The text for a change without a summary; a time may follow: `bert-api was deployed 6 min before`."""
    what = service or "something"
    match kind:
        case "deploy":
            before = f" in place of {previous}" if previous else ""
            return f"{what} {version} was deployed{before}" if version else f"{what} was deployed"
        case "rollback":
            return f"{what} was rolled back to {version}" if version else f"{what} was rolled back"
        case "retraining":
            return f"a retraining of {what} was started"
        case "config":
            return f"the configuration of {what} was changed"
    return f"{kind} of {what}"


def sent_id(source: str, given: str) -> str:
    """The id of a change whose sender gave it one; distinct from every other sender's."""
    return _digest("sent", source, given)


def plain_id(change: ChangeEvent) -> str:
    """The id of a change that came without one: the same for a retry, which reports the same moment."""
    labels = [f"{name}={value}" for name, value in sorted(change.labels.items())]
    return _digest("told", change.kind, change.service, change.version, change.at.isoformat(), *labels)


def alert_id(alert: Alert) -> str:
    """The id of a change that an alert reports: the same for repeats, its end and an Alertmanager's peers."""
    return _digest("alert", alert.fingerprint, alert.starts_at.isoformat())


def changes_in(group: Group, rules: Sequence[ChangeRule]) -> list[ChangeEvent]:
    """The changes that a webhook's alerts report; the first rule that matches an alert decides."""
    found = ((alert, next((rule for rule in rules if rule.matches(alert)), None)) for alert in group.alerts)
    return [_from_alert(alert, rule, group.source) for alert, rule in found if rule is not None]


def only_reports_changes(incident: Incident, rules: Sequence[ChangeRule]) -> bool:
    """Whether all its alerts report changes: such an incident says itself what happened."""
    alerts = incident.alerts.values()
    return bool(alerts) and all(any(rule.matches(alert) for rule in rules) for alert in alerts)


def concerns(change: ChangeEvent, labels: Mapping[str, str]) -> bool:
    """Whether the change may concern an alert with these labels.

    The alert must name the service, or share a service label with the change; and the place labels that both have must
    not differ.
    """
    shared = {name: value for name, value in change.labels.items() if name in PLACE_LABELS and labels.get(name)}
    if any(labels[name] != value for name, value in shared.items()):
        return False
    named = bool(change.service) and any(labels.get(name) == change.service for name in SERVICE_LABELS)
    return named or any(name in SERVICE_LABELS for name in shared)


def concerning(changes: Iterable[ChangeEvent], alerts: Iterable[Mapping[str, str]]) -> list[ChangeEvent]:
    """The changes that concern at least one of the alerts, given by their labels; in the same order."""
    places = {tuple((name, labels[name]) for name in PLACE_LABELS if labels.get(name)) for labels in alerts}
    different = [dict(place) for place in places]  # a thousand pods have few services
    return [change for change in changes if any(concerns(change, labels) for labels in different)]


def without_repeats(changes: Iterable[ChangeEvent]) -> list[ChangeEvent]:
    """Without repeated reports, newest first.

    A repeat is the same change of the same service and place shortly after, with no other change in between.
    """
    kept: list[ChangeEvent] = []
    for change in sorted(changes, key=lambda each: each.at):
        there = (each for each in reversed(kept) if each.service == change.service and _same_place(each, change))
        before = next(there, None)
        if before is None or not _again(before, change):
            kept.append(change)
    return kept[::-1]


def _same_place(one: ChangeEvent, other: ChangeEvent) -> bool:
    both = (name for name in PLACE_LABELS if one.labels.get(name) and other.labels.get(name))
    return all(one.labels[name] == other.labels[name] for name in both)


def _again(before: ChangeEvent, change: ChangeEvent) -> bool:
    versions = {each.version for each in (before, change) if each.version}
    return before.kind == change.kind and len(versions) < 2 and change.at - before.at <= SEEN_AGAIN_WITHIN


def period_of(incident: Incident, now: datetime, window: timedelta = WINDOW) -> tuple[datetime, datetime]:
    """When changes matter to an incident: from `window` before its start to its end or now."""
    return firing_period(incident).started_at - window, incident.resolved_at or now


def _from_alert(alert: Alert, rule: ChangeRule, source: str) -> ChangeEvent:
    labels = alert.labels
    names = SERVICE_LABELS if rule.service_label is None else (rule.service_label,)
    service = next((labels[name] for name in names if labels.get(name)), "")
    version = labels.get(rule.version_label, "")
    text = alert.annotations.get("summary", "") if rule.kind not in KINDS else ""
    change = ChangeEvent(
        kind=rule.kind,
        service=service,
        at=alert.starts_at,
        summary=text or summary_of(rule.kind, service, version),
        version=version,
        labels={name: labels[name] for name in PLACE_LABELS if labels.get(name)},
        source=source,
    )
    return replace(change, id=alert_id(alert))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
