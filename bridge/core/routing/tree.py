"""The channels to notify of an alert, and why: Alertmanager's tree walk, with reasons.

Invariant: pure; the walk depends only on the time and the labels that the tree's matchers name.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bridge.core.routing.matchers import Matcher, format_matchers
from bridge.core.routing.time_intervals import NamedIntervals, muted_by, unmuted_at


@dataclass(frozen=True, slots=True)
class Escalation:
    """Channels to notify too when the incident is not acknowledged this long after it opened."""

    after: timedelta
    notify: tuple[str, ...]

    @property
    def key(self) -> str:
        """Identifies a step by what it does, so that it survives other changes to the file."""
        return f"{self.after.total_seconds():g}s:{','.join(self.notify)}"


FALLBACK_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: a tree is a key of the memo below
class Route:
    """A node of the tree. None in notify, fallback or escalate: inherited; (): no channel.

    fallback_after: how long a channel may fail before `fallback` is notified; None: inherited.
    """

    matchers: tuple[Matcher, ...] = ()
    notify: tuple[str, ...] | None = None
    routes: tuple[Route, ...] = ()
    continue_: bool = False
    fallback: tuple[str, ...] | None = None
    escalate: tuple[Escalation, ...] | None = None
    mute: tuple[NamedIntervals, ...] = ()
    active: tuple[NamedIntervals, ...] = ()
    path: str = "route"
    line: int = 0
    template: str | None = None  #: a folder of templates; None: inherited
    fallback_after: timedelta | None = None

    def __str__(self) -> str:
        return f"{self.path} {format_matchers(self.matchers)}" if self.matchers else self.path

    def failing(self, labels: Mapping[str, str]) -> Matcher | None:
        """The first matcher that does not match."""
        return next((matcher for matcher in self.matchers if not matcher.matches(labels)), None)


@dataclass(frozen=True, slots=True)
class Match:
    """One route that matched the alert. Muted for ever: muted_by is set and muted_until is None."""

    route: str
    channels: tuple[str, ...]
    reason: str
    fallback: tuple[str, ...] = ()
    escalate: tuple[Escalation, ...] = ()
    fallback_after: timedelta = FALLBACK_AFTER
    muted_by: str | None = None
    muted_until: datetime | None = None

    @property
    def muted(self) -> bool:
        return self.muted_by is not None

    @property
    def muted_for_ever(self) -> bool:
        return self.muted and self.muted_until is None


@dataclass(frozen=True, slots=True)
class Step:
    """One route that the walk visited; failed is the matcher that did not match."""

    route: str
    depth: int
    failed: str | None = None
    seen: str | None = None  #: the value of the label that failed
    taken: bool = False

    @property
    def matched(self) -> bool:
        return self.failed is None


@dataclass(frozen=True, slots=True)
class Explanation:
    steps: tuple[Step, ...]
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class RoutedChannel:
    """What one channel should show of some alerts. Muted for ever: muted_by is set, muted_until None."""

    channel: str
    firing: bool
    muted_until: datetime | None = None
    muted_by: str | None = None
    routes: tuple[str, ...] = ()

    @property
    def muted(self) -> bool:
        return self.muted_by is not None


def canonical_labels(
    labels: Mapping[str, str], aliases: Mapping[str, str], label_name: str = "severity"
) -> Mapping[str, str]:
    """The labels with a canonical `severity`: aliased, and copied from the configured label."""
    value = labels.get(label_name)
    canonical = aliases.get(value, value) if value is not None else None
    if canonical is None or labels.get("severity") == canonical:
        return labels
    return {**labels, "severity": canonical}


def route_alert(tree: Route, labels: Mapping[str, str], now: datetime) -> tuple[Match, ...]:
    """The routes that match one alert; never empty, for the root takes what no other route matches."""
    return tuple(_muting(match, route, now) for route, match in _taken(tree, labels))


def matched(
    tree: Route, alerts: Iterable[tuple[Mapping[str, str], bool]], now: datetime
) -> tuple[tuple[Match, bool], ...]:
    """The routes that match several alerts, given as (labels, firing), each with whether its alerts fire."""
    return tuple(
        (_muting(match, route, now), firing) for takers, firing in _distinct(tree, alerts) for route, match in takers
    )


def channels_for(
    tree: Route, alerts: Iterable[tuple[Mapping[str, str], bool]], now: datetime
) -> Mapping[str, RoutedChannel]:
    """The union over several alerts, in order of first appearance."""
    return channels_of(matched(tree, alerts, now))


def channels_of(matches: Iterable[tuple[Match, bool]]) -> Mapping[str, RoutedChannel]:
    """What the routes from `matched` require of each channel."""
    found: dict[str, list[tuple[Match, bool]]] = {}
    for match, firing in matches:
        for channel in match.channels:
            found.setdefault(channel, []).append((match, firing))
    return {channel: _routed(channel, wanted) for channel, wanted in found.items()}


def explain(tree: Route, labels: Mapping[str, str], now: datetime) -> Explanation:
    """The whole walk, in order."""
    taken = {str(route) for route, _ in _taken(tree, labels)}
    steps = tuple(replace(step, taken=step.route in taken) for step in _steps(tree, labels, 0))
    return Explanation(steps, route_alert(tree, labels, now))


def template_for(tree: Route, labels: Mapping[str, str]) -> str | None:
    """The template folder for an alert: of the first route that matches, or of its nearest ancestor with one."""
    name = tree.template
    child = next((each for each in tree.routes if each.failing(labels) is None), None)
    return (template_for(child, labels) or name) if child is not None else name


def walk(tree: Route) -> Iterator[Route]:
    """Every route of the tree, parents first."""
    yield tree
    for child in tree.routes:
        yield from walk(child)


# The walk itself.

_Taker = tuple[Route, Match]


@dataclass(frozen=True, slots=True)
class _Inherited:
    notify: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    escalate: tuple[Escalation, ...] = ()
    fallback_after: timedelta = FALLBACK_AFTER

    def given_to(self, route: Route) -> _Inherited:
        return _Inherited(
            self.notify if route.notify is None else route.notify,
            self.fallback if route.fallback is None else route.fallback,
            self.escalate if route.escalate is None else route.escalate,
            self.fallback_after if route.fallback_after is None else route.fallback_after,
        )


@dataclass(slots=True)
class _Memo:
    """The walks already done on one tree, keyed by the values of the labels that its matchers name."""

    names: tuple[str, ...]
    takers: dict[tuple[str, ...], tuple[_Taker, ...]] = field(default_factory=dict)


_MEMO_LIMIT = 8192


@functools.lru_cache(maxsize=8)
def _memo(tree: Route) -> _Memo:
    return _Memo(tuple(sorted({matcher.name for route in walk(tree) for matcher in route.matchers})))


def _taken(tree: Route, labels: Mapping[str, str]) -> tuple[_Taker, ...]:
    memo = _memo(tree)
    key = tuple([labels.get(name, "") for name in memo.names])
    takers = memo.takers.get(key)
    if takers is None:
        if len(memo.takers) >= _MEMO_LIMIT:
            memo.takers.clear()
        takers = memo.takers[key] = tuple(_takers(tree, labels, _Inherited()))
    return takers


def _takers(route: Route, labels: Mapping[str, str], inherited: _Inherited) -> Iterator[_Taker]:
    if route.failing(labels) is not None:
        return
    own, any_child = inherited.given_to(route), False
    for child in route.routes:
        below = list(_takers(child, labels, own))
        yield from below
        any_child = any_child or bool(below)
        if below and not child.continue_:
            break
    if not any_child:
        yield (
            route,
            Match(str(route), own.notify, _reason(route), own.fallback, own.escalate, own.fallback_after),
        )


def _steps(route: Route, labels: Mapping[str, str], depth: int) -> Iterator[Step]:
    failing = route.failing(labels)
    if failing is not None:
        yield Step(str(route), depth, str(failing), labels.get(failing.name))
        return
    yield Step(str(route), depth)
    for child in route.routes:
        yield from _steps(child, labels, depth + 1)
        if child.failing(labels) is None and not child.continue_:
            return


def _reason(route: Route) -> str:
    below = "; no route below it did" if route.routes else ""
    return f"matched {format_matchers(route.matchers)}{below}" if route.matchers else f"the default{below}"


def _muting(match: Match, route: Route, now: datetime) -> Match:
    if not route.mute and not route.active:
        return match
    why = muted_by(route.mute, route.active, now)
    return replace(match, muted_by=why, muted_until=_unmuted_at(route, now)) if why else match


def _distinct(
    tree: Route, alerts: Iterable[tuple[Mapping[str, str], bool]]
) -> Iterator[tuple[tuple[_Taker, ...], bool]]:
    """Each distinct outcome once, however many alerts share it."""
    seen: dict[tuple[int, bool], tuple[_Taker, ...]] = {}
    for labels, firing in alerts:
        takers = _taken(tree, labels)
        seen.setdefault((id(takers), bool(firing)), takers)
    for (_, firing), takers in seen.items():
        yield takers, firing


def _routed(channel: str, matches: list[tuple[Match, bool]]) -> RoutedChannel:
    """Firing alerts decide whether it is muted; ended ones only when nothing fires."""
    firing = [match for match, fires in matches if fires]
    deciding = firing or [match for match, _ in matches]
    routes = tuple(dict.fromkeys(match.route for match, _ in matches))
    if not all(match.muted for match in deciding):
        return RoutedChannel(channel, bool(firing), routes=routes)
    ends = [match.muted_until for match in deciding if match.muted_until is not None]
    first = min(deciding, key=lambda match: (match.muted_until is None, match.muted_until != min(ends, default=None)))
    return RoutedChannel(channel, bool(firing), min(ends, default=None), first.muted_by, routes)


def _unmuted_at(route: Route, now: datetime) -> datetime | None:
    """Intervals change on the minute, so the answer is cached per minute."""
    return unmuted_at(route.mute, route.active, now.replace(second=0, microsecond=0))
