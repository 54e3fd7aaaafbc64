"""The channels that each alerting rule reaches, by the same walk that routes its alerts, and shortcomings of that.

Invariant: pure; labels that the rule itself does not set (from its expression or templates) are reported as
dependencies, not guessed.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bridge.core.model import Severity
from bridge.core.routing.severity_words import known_words, likely_meant
from bridge.core.routing.tree import Route, canonical_labels, channels_for, route_alert, walk

_TEMPLATE = "{{"
_WATCHDOG = "Watchdog"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alerting rule of Prometheus, without its expression."""

    alert: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> Mapping[str, str]:
        """The labels whose value the rule gives. To Alertmanager an empty value is a missing label."""
        static = {name: value for name, value in self.labels.items() if _TEMPLATE not in value}
        return {**static, "alertname": self.alert}


class Way(enum.StrEnum):
    """How an alert travels: through the bridge, past it to Alertmanager's own PagerDuty, or to no one by intent."""

    BRIDGE = "bridge"
    DIRECT = "direct"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Shortcoming:
    message: str
    hint: str
    warning: bool = False  #: it may be meant so


@dataclass(frozen=True, slots=True)
class Coverage:
    """Where one alert would be routed with only the labels that its rule sets."""

    rule: AlertRule
    severity: str  #: canonical; empty when the rule does not say
    way: Way
    channels: tuple[str, ...]  #: of the bridge; none for what goes past it
    depends_on: tuple[str, ...]  #: labels that the rule does not set and that could change `channels`
    shortcomings: tuple[Shortcoming, ...] = ()


@dataclass(frozen=True, slots=True)
class Routing:
    """The routing configuration: the tree, the channels that page, and how the severity is read."""

    tree: Route
    paging: Collection[str] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    severity_label: str = "severity"


def cover(rule: AlertRule, routing: Routing, now: datetime) -> Coverage:
    """A channel muted now still counts, for it is notified later; one muted for ever does not."""
    labels = canonical_labels(rule.known, routing.aliases, routing.severity_label)
    severity, way = labels.get("severity", ""), _way(labels)
    channels = () if way is Way.DIRECT else _channels(routing.tree, labels, now)
    depends = () if way is Way.DIRECT else _depends_on(rule, labels, routing)
    wrong = tuple(_shortcomings(rule, labels, way, channels, routing, now))
    return Coverage(rule, severity, way, channels, depends, wrong)


def _way(labels: Mapping[str, str]) -> Way:
    if labels.get("route") == "direct":
        return Way.DIRECT
    heartbeat = labels["alertname"] == _WATCHDOG or labels.get("severity") == Severity.NONE
    return Way.HEARTBEAT if heartbeat else Way.BRIDGE


def _channels(tree: Route, labels: Mapping[str, str], now: datetime) -> tuple[str, ...]:
    routed = channels_for(tree, [(labels, True)], now).values()
    return tuple(each.channel for each in routed if not (each.muted and each.muted_until is None))


def _depends_on(rule: AlertRule, labels: Mapping[str, str], routing: Routing) -> tuple[str, ...]:
    known = set(labels)
    if _TEMPLATE in rule.labels.get(routing.severity_label, ""):
        known.discard("severity")
    names = set(_unknown_labels(routing.tree, labels, known))
    names |= {"route"} if _TEMPLATE in rule.labels.get("route", "") else set()
    return tuple(sorted(names))


def _unknown_labels(route: Route, labels: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """Unknown labels of the routes that the walk could reach, whatever their values."""
    yield from (matcher.name for matcher in route.matchers if matcher.name not in known)
    for child in route.routes:
        if not all(matcher.matches(labels) for matcher in child.matchers if matcher.name in known):
            continue
        yield from _unknown_labels(child, labels, known)
        if not child.continue_ and all(matcher.name in known for matcher in child.matchers):
            return


def without_runbook(rule: AlertRule) -> Iterator[Shortcoming]:
    """Shortcomings that do not depend on routing."""
    if not rule.annotations.get("runbook_url", "").strip():
        hint = "add the annotation runbook_url, so that responders need not search"
        yield Shortcoming(f"{rule.alert} has no runbook_url", hint)


def _shortcomings(
    rule: AlertRule, labels: Mapping[str, str], way: Way, channels: tuple[str, ...], routing: Routing, now: datetime
) -> Iterator[Shortcoming]:
    yield from without_runbook(rule)
    if way is not Way.BRIDGE:
        return
    if not channels:
        hint = f"{_takers(routing.tree, labels, now)} takes it; name channels in its notify"
        yield Shortcoming(f"{rule.alert} {_shown(labels)} reaches no channel", hint)
    elif set(channels) & set(routing.paging):
        return
    elif labels.get("severity") == Severity.CRITICAL:
        hint = "give its route a channel of type pagerduty, or the rule another severity"
        yield Shortcoming(f"{rule.alert} is critical but does not page: it reaches {', '.join(channels)}", hint)
    else:
        yield from _unknown_severity(rule, labels.get("severity", ""), channels, routing)


def _unknown_severity(rule: AlertRule, word: str, channels: tuple[str, ...], routing: Routing) -> Iterator[Shortcoming]:
    """A word that neither the bridge nor a route knows."""
    if not word or word in known_words(routing.aliases) or _is_matched(routing.tree, word):
        return
    meant = likely_meant(word, routing.aliases)
    what = f"{rule.alert} has the severity {word!r}, which is not known"
    if meant == Severity.CRITICAL:
        hint = f"write severity: critical, or add {word}: critical to incidents.severity_aliases; case counts"
        yield Shortcoming(f"{what}: it does not page, and reaches {', '.join(channels)}", hint)
    else:
        known = ", ".join(known_words(routing.aliases))
        hint = f"write severity: {meant}" if meant else f"known are {known}; others go into incidents.severity_aliases"
        yield Shortcoming(f"{what}: it ranks below warning, and reaches {', '.join(channels)}", hint, warning=True)


def _is_matched(tree: Route, word: str) -> bool:
    """Whether a route matches this severity and not also alerts without one."""
    matchers = (matcher for route in walk(tree) for matcher in route.matchers if matcher.name == "severity")
    return any(matcher.accepts(word) and not matcher.accepts("") for matcher in matchers if matcher.value != ".+")


def _shown(labels: Mapping[str, str]) -> str:
    return f'{{severity="{labels["severity"]}"}}' if labels.get("severity") else "without a severity"


def _takers(tree: Route, labels: Mapping[str, str], now: datetime) -> str:
    """The routes that take it, with those muted for ever, which notify no channel."""
    matches = route_alert(tree, labels, now)
    return " and ".join(f"{m.route} ({m.muted_by}, for ever)" if m.muted_for_ever else m.route for m in matches)
