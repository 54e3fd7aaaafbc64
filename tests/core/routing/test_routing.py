"""Routing: Alertmanager's walk, muted routes, and a naive walk that must agree."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypedDict, Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.routing.matchers import Matcher, parse_matchers
from bridge.core.routing.reachability import unreachable_routes
from bridge.core.routing.time_intervals import NamedIntervals, Range, TimeInterval, TimeRange
from bridge.core.routing.tree import (
    Escalation,
    Route,
    canonical_labels,
    channels_for,
    explain,
    route_alert,
    template_for,
    walk,
)

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
LUNCH = NamedIntervals("lunch", (TimeInterval(times=(TimeRange(12 * 60, 13 * 60),)),))
ALWAYS = NamedIntervals("always", (TimeInterval(),))
LONG_AGO = NamedIntervals("long-ago", (TimeInterval(years=(Range(2020, 2020),)),))


class Fields(TypedDict, total=False):
    """The keys of a route beside its matchers, its channels and the routes below."""

    continue_: bool
    fallback: tuple[str, ...]
    escalate: tuple[Escalation, ...]
    mute: tuple[NamedIntervals, ...]
    active: tuple[NamedIntervals, ...]
    template: str


def node(matchers: str = "", *routes: Route, notify: str | None = None, **fields: Unpack[Fields]) -> Route:
    return Route(parse_matchers(matchers), tuple(notify.split()) if notify is not None else None, routes, **fields)


def tree(*routes: Route, notify: str = "slack", **fields: Unpack[Fields]) -> Route:
    return numbered(node("", *routes, notify=notify, **fields), "route")


def numbered(route: Route, path: str) -> Route:
    routes = tuple(numbered(child, f"{path}.routes[{i}]") for i, child in enumerate(route.routes))
    return Route(
        route.matchers,
        route.notify,
        routes,
        route.continue_,
        route.fallback,
        route.escalate,
        route.mute,
        route.active,
        path,
    )


DEFAULT = tree(
    node('severity="critical"', notify="pagerduty"),
    node('severity="warning"', notify="email"),
    node('severity="info"', notify="slack"),
)
NESTED = tree(
    node(
        "team=ml",
        node("severity=critical", notify="pagerduty"),
        node("env=test", notify=""),
        notify="ml",
        fallback=("email",),
    ),
    node("severity=critical", notify="ops", continue_=True),
    node("severity=~critical|warning", notify="archive"),
)


@pytest.mark.parametrize(
    ("routes", "labels", "expected"),
    [
        pytest.param(DEFAULT, {"severity": "critical"}, ["pagerduty"], id="critical pages"),
        pytest.param(DEFAULT, {"severity": "warning"}, ["email"], id="warning mails"),
        pytest.param(DEFAULT, {"severity": "info"}, ["slack"], id="info chats"),
        pytest.param(DEFAULT, {}, ["slack"], id="the root takes the rest"),
        pytest.param(NESTED, {"team": "ml", "severity": "critical"}, ["pagerduty"], id="the deepest wins"),
        pytest.param(NESTED, {"team": "ml"}, ["ml"], id="a parent only if no child took it"),
        pytest.param(NESTED, {"team": "ml", "env": "test"}, [], id="an empty notify notifies no channel"),
        pytest.param(NESTED, {"severity": "critical"}, ["ops", "archive"], id="continue lets the next have it too"),
        pytest.param(NESTED, {"severity": "warning"}, ["archive"], id="regex"),
    ],
)
def test_an_alert_is_routed_to_its_channels(routes: Route, labels: Mapping[str, str], expected: list[str]) -> None:
    assert [channel for match in route_alert(routes, labels, NOW) for channel in match.channels] == expected


def test_a_route_inherits_unset_keys_from_its_parent() -> None:
    steps = (Escalation(timedelta(minutes=10), ("boss",)),)
    routes = tree(node("a=b", node("c=d")), fallback=("email",), escalate=steps)
    (match,) = route_alert(routes, {"a": "b", "c": "d"}, NOW)
    assert (match.channels, match.fallback, match.escalate) == (("slack",), ("email",), steps)


def test_an_empty_list_is_set_and_not_inherited() -> None:
    (match,) = route_alert(tree(node("a=b", fallback=()), fallback=("email",)), {"a": "b"}, NOW)
    assert match.fallback == ()


def test_a_match_has_its_route_and_reason() -> None:
    (match,) = route_alert(DEFAULT, {"severity": "critical"}, NOW)
    assert match.route == 'route.routes[0] {severity="critical"}'
    assert match.reason == 'matched {severity="critical"}'
    (match,) = route_alert(DEFAULT, {}, NOW)
    assert (match.route, match.reason) == ("route", "the default; no route below it did")


@pytest.mark.parametrize(
    ("fields", "by", "until"),
    [
        pytest.param({}, None, None, id="no intervals"),
        pytest.param({"mute": (LUNCH,)}, "mute time interval 'lunch'", NOW.replace(hour=13, minute=0), id="muted"),
        pytest.param({"active": (LUNCH,)}, None, None, id="active"),
        pytest.param({"mute": (ALWAYS,)}, "mute time interval 'always'", None, id="for ever"),
        pytest.param({"active": (LONG_AGO,)}, "outside active time interval 'long-ago'", None, id="never again"),
    ],
)
def test_time_intervals_mute_a_match(fields: Fields, by: str | None, until: datetime | None) -> None:
    (match,) = route_alert(tree(node("a=b", **fields)), {"a": "b"}, NOW)
    assert (match.muted_by, match.muted_until) == (by, until)
    assert match.muted_for_ever == (by is not None and until is None)


def test_time_intervals_are_not_inherited() -> None:
    (match,) = route_alert(tree(node("a=b", node("c=d"), mute=(ALWAYS,))), {"a": "b", "c": "d"}, NOW)
    assert not match.muted


MUTED = tree(
    node("a=muted", notify="email", mute=(LUNCH,)),
    node("a=for-ever", notify="email", mute=(ALWAYS,)),
    node("a=open", notify="email"),
)


@pytest.mark.parametrize(
    ("alerts", "firing", "muted", "until"),
    [
        pytest.param([("open", True)], True, False, None, id="free"),
        pytest.param([("muted", True)], True, True, 13, id="muted until the interval ends"),
        pytest.param([("muted", True), ("open", True)], True, False, None, id="one unmuted alert unmutes the channel"),
        pytest.param([("muted", True), ("open", False)], True, True, 13, id="a resolved alert does not unmute it"),
        pytest.param([("open", True), ("muted", False)], True, False, None, id="nor mute it"),
        pytest.param([("muted", False)], False, True, 13, id="a resolve is muted too"),
        pytest.param([("for-ever", True)], True, True, None, id="muted for ever"),
        pytest.param([("for-ever", True), ("muted", True)], True, True, 13, id="the earliest end counts"),
    ],
)
def test_a_channel_fires_and_is_muted_by_its_alerts(
    alerts: list[tuple[str, bool]], firing: bool, muted: bool, until: int | None
) -> None:
    routed = channels_for(MUTED, [({"a": a}, fires) for a, fires in alerts], NOW)["email"]
    expected_until = NOW.replace(hour=until, minute=0) if until else None
    assert (routed.firing, routed.muted, routed.muted_until) == (firing, muted, expected_until)


def test_an_incident_goes_to_the_union_of_its_alerts() -> None:
    alerts = [
        ({"severity": "warning"}, True),
        ({"severity": "critical"}, True),
        ({"severity": "info"}, False),
    ]
    routed_channels = channels_for(DEFAULT, alerts, NOW)
    assert {name: w.firing for name, w in routed_channels.items()} == {"email": True, "pagerduty": True, "slack": False}
    assert routed_channels["pagerduty"].routes == ('route.routes[0] {severity="critical"}',)


def test_the_walk_is_explained() -> None:
    explanation = explain(NESTED, {"team": "ml", "severity": "warning"}, NOW)
    steps = [(step.route, step.depth, step.failed, step.seen, step.taken) for step in explanation.steps]
    ml = 'route.routes[0] {team="ml"}'
    assert steps == [
        ("route", 0, None, None, False),
        (ml, 1, None, None, True),
        ('route.routes[0].routes[0] {severity="critical"}', 2, 'severity="critical"', "warning", False),
        ('route.routes[0].routes[1] {env="test"}', 2, 'env="test"', None, False),
    ]
    assert tuple(match.route for match in explanation.matches) == (ml,)


@pytest.mark.parametrize(
    ("labels", "aliases", "name", "expected"),
    [
        pytest.param({"severity": "page"}, {"page": "critical"}, "severity", {"severity": "critical"}, id="alias"),
        pytest.param({"severity": "info"}, {"page": "critical"}, "severity", {"severity": "info"}, id="no alias"),
        pytest.param({"a": "b"}, {"page": "critical"}, "severity", {"a": "b"}, id="no label"),
        pytest.param(
            {"priority": "P1"},
            {"P1": "critical"},
            "priority",
            {"priority": "P1", "severity": "critical"},
            id="other",
        ),
    ],
)
def test_severity_aliases_and_labels_are_normalised(
    labels: Mapping[str, str], aliases: Mapping[str, str], name: str, expected: Mapping[str, str]
) -> None:
    before = dict(labels)
    assert canonical_labels(labels, aliases, name) == expected
    assert labels == before


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param([node("a=b"), node("a=b,c=d")], ["routes[1]"], id="a subset before"),
        pytest.param([node("a=~b|c"), node("a=b")], ["routes[1]"], id="a regex that takes the value"),
        pytest.param([node("a!=x"), node("a=b")], ["routes[1]"], id="a negative that takes the value"),
        pytest.param([node(""), node("a=b")], ["routes[1]"], id="a catch-all before"),
        pytest.param([node("a=b", continue_=True), node("a=b")], [], id="continue"),
        pytest.param([node("a=b,c=d"), node("a=b")], [], id="a narrower one before"),
        pytest.param([node("a=~b"), node("a=~b|c")], [], id="regexes are not compared"),
        pytest.param([node("x=y", node("a=b"), node("a=b"))], ["routes[0].routes[1]"], id="deeper"),
    ],
)
def test_unreachable_routes_are_found(routes: list[Route], expected: list[str]) -> None:
    found = unreachable_routes(tree(*routes))
    assert [each.route.path for each in found] == [f"route.{path}" for path in expected]


LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y"]), max_size=3)
OPS = st.sampled_from(["=", "!=", "=~", "!~"])
RANDOM_MATCHERS = st.builds(Matcher, st.sampled_from("abc"), OPS, st.sampled_from(["", "x", "y"]))


def nodes(children: st.SearchStrategy[tuple[Route, ...]]) -> st.SearchStrategy[Route]:
    return st.builds(
        Route,
        st.lists(RANDOM_MATCHERS, max_size=2).map(tuple),
        st.one_of(st.none(), st.lists(st.sampled_from("PQR"), max_size=2, unique=True).map(tuple)),
        children,
        st.booleans(),
    )


SUBTREES = st.recursive(nodes(st.just(())), lambda n: nodes(st.lists(n, max_size=3).map(tuple)), max_leaves=8)
TREES = st.builds(
    lambda routes: numbered(Route((), ("R",), routes), "route"), st.lists(SUBTREES, max_size=3).map(tuple)
)


def naive(route: Route, labels: Mapping[str, str], notify: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """The walk as in Alertmanager's documentation."""
    for m in route.matchers:
        equal = labels.get(m.name, "") == m.value  # each value is a regex that matches only itself
        if equal != (m.op in ("=", "=~")):
            return []
    notify = notify if route.notify is None else route.notify
    taken: list[tuple[str, tuple[str, ...]]] = []
    for child in route.routes:
        below = naive(child, labels, notify)
        taken += below
        if below and not child.continue_:
            break
    return taken or [(str(route), notify)]


@given(TREES, st.lists(LABELS, min_size=1, max_size=4))
def test_routing_agrees_with_a_naive_walk(routes: Route, several: list[dict[str, str]]) -> None:
    for labels in several:
        matches = route_alert(routes, labels, NOW)
        assert [(match.route, match.channels) for match in matches] == naive(routes, labels, ())
    routed_channels = channels_for(routes, [(labels, True) for labels in several], NOW)
    assert set(routed_channels) == {c for labels in several for _, notify in naive(routes, labels, ()) for c in notify}


@given(TREES, st.lists(LABELS, max_size=6))
def test_an_unreachable_route_is_never_reached(routes: Route, several: list[dict[str, str]]) -> None:
    dead = {id(r) for found in unreachable_routes(routes) for r in walk(found.route)}
    dead_routes = {str(route) for route in walk(routes) if id(route) in dead}
    for labels in several:
        assert not dead_routes & {match.route for match in route_alert(routes, labels, NOW)}


def test_thousands_of_alerts_in_one_group_are_routed() -> None:
    routes = tree(*(node(f'instance=~"host-{n}-.*",severity="critical"', notify=f"c{n}") for n in range(20)))
    alerts = [({"instance": f"host-{n % 30}-{n}", "severity": "critical"}, True) for n in range(5000)]
    routed_channels = channels_for(routes, alerts, NOW)
    assert len(routed_channels) == 21


def test_a_template_is_inherited_by_the_routes_below() -> None:
    ml = node('team="ml"', node('severity="critical"', notify="b"), notify="a", template="ml")
    routes = Route(notify=("slack",), routes=(ml, node('team="web"', notify="c")))
    assert template_for(routes, {"team": "ml"}) == "ml"
    assert template_for(routes, {"team": "ml", "severity": "critical"}) == "ml"
    assert template_for(routes, {"team": "web"}) is None
    assert template_for(replace(routes, template="all"), {"team": "web"}) == "all"
