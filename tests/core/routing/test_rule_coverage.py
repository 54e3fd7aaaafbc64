"""Which channels the alert of a rule reaches, what that depends on, and its shortcomings."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypedDict, Unpack

import pytest

from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.rule_coverage import AlertRule, Coverage, Routing, Way, cover
from bridge.core.routing.time_intervals import NamedIntervals, Range, TimeInterval, TimeRange
from bridge.core.routing.tree import Route, channels_for

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ALWAYS = NamedIntervals("always", (TimeInterval(),))
LUNCH = NamedIntervals("lunch", (TimeInterval(times=(TimeRange(11 * 60, 13 * 60),)),))
LONG_AGO = NamedIntervals("long-ago", (TimeInterval(years=(Range(2020, 2020),)),))
TIERS = (
    Route(parse_matchers('severity="critical"'), ("pager",), path="critical"),
    Route(parse_matchers('severity="warning"'), ("mail",), path="warning"),
)


class Reading(TypedDict, total=False):
    """How the severity is normalised."""

    aliases: Mapping[str, str]
    severity_label: str


class Muting(TypedDict, total=False):
    mute: tuple[NamedIntervals, ...]
    active: tuple[NamedIntervals, ...]


def routing(*routes: Route, notify: tuple[str, ...] = ("slack",), **more: Unpack[Reading]) -> Routing:
    return Routing(Route(notify=notify, routes=routes), frozenset({"pager"}), **more)


def rule(
    alert: str = "Errors", runbook_url: str | None = "https://runbooks.example.org/Errors", **labels: str
) -> AlertRule:
    return AlertRule(alert, labels, {"runbook_url": runbook_url} if runbook_url is not None else {})


def messages(coverage: Coverage) -> list[str]:
    return [shortcoming.message for shortcoming in coverage.shortcomings]


@pytest.mark.parametrize(
    ("severity", "channels"), [("critical", ("pager",)), ("warning", ("mail",)), ("info", ("slack",)), ("", ("slack",))]
)
def test_an_alert_reaches_the_channels_of_its_severity(severity: str, channels: tuple[str, ...]) -> None:
    found = cover(rule(severity=severity), routing(*TIERS), NOON)
    assert (
        found.severity,
        found.way,
        found.channels,
        found.depends_on,
        messages(found),
    ) == (severity, Way.BRIDGE, channels, (), [])


def test_an_alert_reaches_the_channels_that_routing_chooses() -> None:
    tree = Route(
        notify=("slack",),
        routes=(
            Route(parse_matchers("team=ml"), ("ml",), continue_=True),
            Route(parse_matchers('alertname=~"Error.*"'), ("mail", "slack")),
        ),
    )
    labels = {"alertname": "Errors", "team": "ml", "severity": "info"}
    found = cover(rule(team="ml", severity="info"), Routing(tree), NOON)
    assert found.channels == ("ml", "mail", "slack")
    assert found.channels == tuple(channels_for(tree, [(labels, True)], NOON))


def test_the_severity_is_normalised_as_for_a_real_alert() -> None:
    aliased = cover(rule(severity="page"), routing(*TIERS, aliases={"page": "critical"}), NOON)
    assert (aliased.severity, aliased.channels) == ("critical", ("pager",))
    other = cover(rule(priority="P1"), routing(*TIERS, aliases={"P1": "critical"}, severity_label="priority"), NOON)
    assert (other.severity, other.channels) == ("critical", ("pager",))


@pytest.mark.parametrize("runbook_url", [None, "", "  "])
def test_a_missing_runbook_is_reported(runbook_url: str | None) -> None:
    assert messages(cover(rule(severity="info", runbook_url=runbook_url), routing(*TIERS), NOON)) == [
        "Errors has no runbook_url"
    ]


def test_a_critical_alert_that_does_not_page_is_reported() -> None:
    found = cover(rule(severity="critical"), routing(TIERS[1]), NOON)
    assert messages(found) == ["Errors is critical but does not page: it reaches slack"]
    both = Route(parse_matchers('severity="critical"'), ("slack", "pager"))
    assert messages(cover(rule(severity="critical"), routing(both), NOON)) == []


def test_an_alert_without_a_channel_is_reported_once_with_its_route() -> None:
    silent = Route(parse_matchers('severity="critical"'), (), path="route.routes[0]")
    found = cover(rule(severity="critical"), routing(silent), NOON)
    assert (found.channels, messages(found)) == ((), ['Errors {severity="critical"} reaches no channel'])
    assert 'route.routes[0] {severity="critical"} takes it' in found.shortcomings[0].hint


def test_an_alert_without_severity_and_channel_is_reported() -> None:
    assert messages(cover(rule(), routing(notify=()), NOON)) == ["Errors without a severity reaches no channel"]


@pytest.mark.parametrize(
    ("muting", "reached"),
    [({"mute": (LUNCH,)}, True), ({"mute": (ALWAYS,)}, False), ({"active": (LONG_AGO,)}, False)],
    ids=["muted now", "always mute", "active in the past only"],
)
def test_a_muted_route_counts_unless_it_is_muted_for_ever(muting: Muting, reached: bool) -> None:
    found = cover(rule(severity="x"), routing(Route(parse_matchers("severity=x"), ("mail",), **muting)), NOON)
    assert (found.channels, len(messages(found))) == ((("mail",), 0) if reached else ((), 1))
    assert reached or "for ever" in found.shortcomings[0].hint


def test_a_direct_alert_bypasses_the_bridge_and_needs_no_channel() -> None:
    found = cover(rule(severity="critical", route="direct"), routing(notify=()), NOON)
    assert (found.way, found.channels, found.depends_on, messages(found)) == (Way.DIRECT, (), (), [])
    assert messages(cover(rule(severity="critical", route="direct", runbook_url=None), routing(*TIERS), NOON)) == [
        "Errors has no runbook_url"
    ]


@pytest.mark.parametrize("heartbeat", [rule("Watchdog"), rule("Beat", severity="none")], ids=["name", "severity"])
def test_a_heartbeat_needs_no_channel(heartbeat: AlertRule) -> None:
    found = cover(heartbeat, routing(notify=()), NOON)
    assert (found.way, found.channels, messages(found)) == (Way.HEARTBEAT, (), [])


@pytest.mark.parametrize(
    ("routes", "labels", "depends"),
    [
        pytest.param(("namespace=prod",), {}, ("namespace",), id="a label of the expression"),
        pytest.param(("namespace!=dev",), {}, ("namespace",), id="a matcher that a missing label fulfils"),
        pytest.param(("namespace=prod",), {"namespace": "dev"}, (), id="a label that the rule sets"),
        pytest.param(("team=ml,namespace=prod",), {"team": "web"}, (), id="a route that cannot match anyway"),
        pytest.param(("team=ml", "namespace=prod"), {"team": "ml"}, (), id="a route that the walk never comes to"),
        pytest.param(("pod=a", "namespace=prod"), {}, ("namespace", "pod"), id="a route after an uncertain one"),
        pytest.param(("team=ml",), {"team": "{{ $labels.team }}"}, ("team",), id="a template"),
        pytest.param(("severity=info",), {}, ("severity",), id="a severity that the rule leaves open"),
    ],
)
def test_labels_that_the_rule_does_not_set_are_dependencies(
    routes: tuple[str, ...], labels: Mapping[str, str], depends: tuple[str, ...]
) -> None:
    nodes = [Route(parse_matchers(text), path=f"r{index}") for index, text in enumerate(routes)]
    assert cover(rule(**labels), routing(*nodes), NOON).depends_on == depends


def test_a_route_below_an_uncertain_one_is_a_dependency_too() -> None:
    inner = Route(parse_matchers("pod=a"), ("pods",))
    tree = routing(Route(parse_matchers("namespace=prod"), ("prod",), (inner,)), *TIERS)
    found = cover(rule(severity="warning"), tree, NOON)
    assert (found.channels, found.depends_on) == (("mail",), ("namespace", "pod"))


def test_a_template_never_matches_by_its_text() -> None:
    tree = routing(Route(parse_matchers('team=~".+"'), ("ml",)))
    found = cover(rule(team="{{ $labels.team }}"), tree, NOON)
    assert (found.channels, found.depends_on) == (("slack",), ("team",))


def test_a_template_for_the_route_or_the_severity_is_a_dependency() -> None:
    assert cover(rule(severity="info", route="{{ $labels.way }}"), routing(), NOON).depends_on == ("route",)
    tree = routing(*TIERS, severity_label="priority")
    found = cover(rule(severity="critical", priority="{{ $labels.priority }}"), tree, NOON)
    assert found.depends_on == ("severity",)


@pytest.mark.parametrize("word", ["Critical", "CRITICAL", "crit", "critcal", "Page", "sev1", "fatal", " critical"])
def test_an_unknown_severity_that_looks_like_a_paging_one_is_a_fault(word: str) -> None:
    found = cover(rule(severity=word), routing(*TIERS), NOON)
    assert messages(found) == [
        f"Errors has the severity {word!r}, which is not known: it does not page, and reaches slack"
    ]
    assert not found.shortcomings[0].warning
    assert "write severity: critical" in found.shortcomings[0].hint


@pytest.mark.parametrize(
    ("word", "hint"), [("Warning", "write severity: warning"), ("notice", "write severity: info"), ("zzz", "known are")]
)
def test_another_unknown_severity_is_a_warning(word: str, hint: str) -> None:
    (shortcoming,) = cover(rule(severity=word), routing(*TIERS), NOON).shortcomings
    assert (shortcoming.warning, shortcoming.hint.startswith(hint)) == (True, True)


def test_a_severity_named_by_a_route_or_an_alias_is_no_shortcoming() -> None:
    own = Route(parse_matchers('severity="Critical"'), ("mail",))
    assert messages(cover(rule(severity="Critical"), routing(own), NOON)) == []
    aliased = routing(*TIERS, aliases={"Critical": "warning"})
    assert messages(cover(rule(severity="Critical"), aliased, NOON)) == []
    assert messages(cover(rule(severity="Critical"), routing(notify=("pager",)), NOON)) == []
    assert messages(cover(rule(severity="{{ $labels.severity }}"), routing(*TIERS), NOON)) == []
