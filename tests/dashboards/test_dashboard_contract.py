"""What the dashboards name must exist: metrics, labels and buckets in the code, limits and links in the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser
import pytest

from dashboards.limits import COLOURS, LIMITS, RUNBOOKS, Limit, thresholds
from tests.dashboards import dashboard_contract as contract
from tests.dashboards import dashboard_history as history
from tests.dashboards.dashboard_reading import UIDS, PanelQuery, all_queries, dashboard, panels
from tests.rules.promql_reading import name_of

EVERYTHING = all_queries()
each_query = pytest.mark.parametrize("query", EVERYTHING, ids=[query.where for query in EVERYTHING])
# le and bin exist only within an expression; label_replace makes others.
MADE_BY_FUNCTIONS = {"le"}
# Where the number in the rule is not the one to draw, and what the rule says instead.
OTHER_WORDS = {
    "MLModelNotLoaded": 0,  # == 0 of one pod; the panel shows the share of pods, where anything under 1 is one
    "BridgeDeadLetters": 0,  # > 0 of a whole number, which is 1
    "MLLatencySLOBurnSlow": 0.05,  # the budget of slow inferences; the panel shows the fast ones
}


def selectors(query: PanelQuery) -> Iterator[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        if isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)

    promql_parser.walk(promql_parser.parse(query.expr), visit)
    return iter({str(each): each for each in found}.values())


@each_query
def test_a_query_names_only_exported_series(query: PanelQuery) -> None:
    named = list(selectors(query))
    assert named, query.expr
    for selector in named:
        known, name = contract.known_series(), name_of(selector)
        assert name in known, f"{query.where}: {name} is not exported"
        for matcher in selector.matchers.matchers:
            labels = known[name]
            assert matcher.name in labels, f"{query.where}: {name} has no label {matcher.name}"
            values = labels[matcher.name]
            if matcher.op == promql_parser.MatchOp.Equal and values is not None:
                assert matcher.value in values, f"{query.where}: {matcher.name} of {name} is one of {values}"


@each_query
def test_a_query_groups_by_labels_of_its_series(query: PanelQuery) -> None:
    known = contract.known_series()
    available = {label for selector in selectors(query) for label in known[name_of(selector)]} | MADE_BY_FUNCTIONS
    for labels in re.findall(r"\bby \(([^)]*)\)", query.expr):
        assert set(re.split(r",\s*", labels)) <= available, f"{query.where}: by ({labels})"


@each_query
def test_counters_are_read_as_a_rate_or_an_increase_and_gauges_are_not(query: PanelQuery) -> None:
    """target-counter-agg."""
    counters = re.compile(r"(_total|_bucket|_sum|_count)$")
    for selector in selectors(query):
        calls = re.findall(r"(\w+)\(" + name_of(selector) + r"\b[^\[\]]*\[", query.expr)
        if counters.search(name_of(selector)):
            assert calls and set(calls) <= {"rate", "increase"}, query.expr
        else:
            assert not {"rate", "increase", "irate"} & set(calls), query.expr


@each_query
def test_a_fraction_never_divides_by_zero(query: PanelQuery) -> None:
    """0/0 is NaN, which Grafana shows as a gap in one place and as text in another."""
    for whole in re.findall(r"\) / (?:ignoring \(le\) group_left \(\) )?(.*)", query.expr):
        assert whole.startswith("(") and "> 0)" in whole, query.expr


@pytest.mark.parametrize("limit", LIMITS.values(), ids=list(LIMITS))
def test_a_limit_is_that_of_its_alert(limit: Limit) -> None:
    rule = contract.alerts()[limit.alert]
    numbers = {float(number) for number in re.findall(r"(?:[<>=]=?|/) ([0-9.e]+)\b", rule["expr"])}
    assert OTHER_WORDS.get(limit.alert, limit.value) in numbers, rule["expr"]
    assert rule["labels"]["severity"] == limit.severity
    assert rule["annotations"]["runbook_url"] == f"/{limit.alert}"


@pytest.mark.parametrize("limit", LIMITS.values(), ids=list(LIMITS))
def test_a_number_beyond_its_limit_has_the_colour_of_the_severity(limit: Limit) -> None:
    steps = thresholds([limit])["steps"]
    under, over = steps[0]["color"], steps[1]["color"]
    assert (under, over) == ((COLOURS[limit.severity], "green") if limit.below else ("green", COLOURS[limit.severity]))
    if limit.alert != "MLLatencySLOBurnSlow":  # that rule counts the slow ones, and its panel the fast ones
        assert limit.below == bool(re.search(r" (<|==) [0-9.]+", contract.alerts()[limit.alert]["expr"]))


@pytest.mark.parametrize("uid", UIDS)
def test_every_limit_is_drawn_and_links_to_its_runbook(uid: str) -> None:
    for panel in panels(dashboard(uid)):
        drawn = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]
        linked = [LIMITS[link["title"].removeprefix("Runbook: ")] for link in panel["links"]]
        assert drawn == sorted(limit.value for limit in linked), panel["title"]
        assert [link["url"] for link in panel["links"]] == [f"{RUNBOOKS}/{limit.alert}" for limit in linked]


def test_the_rules_link_to_existing_dashboards_and_variables() -> None:
    links = 0
    for name, rule in contract.alerts().items():
        url = rule["annotations"].get("dashboard_url", "")
        if url:
            uid, _, query = url.partition("/d/")[2].partition("?")
            assert uid in UIDS, f"{name}: {url}"
            names = {variable["name"] for variable in dashboard(uid)["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", query)) <= names, f"{name}: {url}"
            links += 1
    assert links > 0


def test_the_history_contains_only_known_series() -> None:
    names = {re.split(r"[{ ]", line, maxsplit=1)[0] for line in history.everything().splitlines()} - {"#"}
    assert names <= contract.known_series().keys()
