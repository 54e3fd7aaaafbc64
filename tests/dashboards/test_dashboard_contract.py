"""What the dashboards name must exist: metrics, labels and buckets in the code, limits and links in the rules."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser
import pytest

from dashboards.limits import COLOURS, LIMITS, RUNBOOKS, Limit, thresholds
from tests.dashboards import dashboard_contract as contract
from tests.dashboards import dashboard_history as history
from tests.dashboards.dashboard_reading import UIDS, Question, all_questions, dashboard, panels
from tests.rules.promql_reading import name_of

EVERYTHING = all_questions()
each_question = pytest.mark.parametrize("question", EVERYTHING, ids=[question.where for question in EVERYTHING])
# le and bin come and go inside of an expression; label_replace makes others.
MADE_BY_FUNCTIONS = {"le"}
# Where the number in the rule is not the one to draw, and what the rule says instead.
OTHER_WORDS = {
    "MLModelNotLoaded": 0,  # == 0 of one pod; the panel shows the share of pods, where anything under 1 is one
    "BridgeDeadLetters": 0,  # > 0 of a whole number, which is 1
    "MLLatencySLOBurnSlow": 0.05,  # the budget of slow inferences; the panel shows the fast ones
}


def selectors(question: Question) -> Iterator[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        if isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)

    promql_parser.walk(promql_parser.parse(question.expr), visit)
    return iter({str(each): each for each in found}.values())


@each_question
def test_a_question_names_only_series_that_somebody_exports(question: Question) -> None:
    named = list(selectors(question))
    assert named, question.expr
    for selector in named:
        known, name = contract.known_series(), name_of(selector)
        assert name in known, f"{question.where}: nobody exports {name}"
        for matcher in selector.matchers.matchers:
            labels = known[name]
            assert matcher.name in labels, f"{question.where}: {name} has no label {matcher.name}"
            values = labels[matcher.name]
            if matcher.op == promql_parser.MatchOp.Equal and values is not None:
                assert matcher.value in values, f"{question.where}: {matcher.name} of {name} is one of {values}"


@each_question
def test_a_question_groups_by_labels_that_its_series_have(question: Question) -> None:
    known = contract.known_series()
    available = {label for selector in selectors(question) for label in known[name_of(selector)]} | MADE_BY_FUNCTIONS
    for labels in re.findall(r"\bby \(([^)]*)\)", question.expr):
        assert set(re.split(r",\s*", labels)) <= available, f"{question.where}: by ({labels})"


@each_question
def test_a_counter_is_read_as_a_rate_or_an_increase_and_a_gauge_never(question: Question) -> None:
    """target-counter-agg."""
    counters = re.compile(r"(_total|_bucket|_sum|_count)$")
    for selector in selectors(question):
        calls = re.findall(r"(\w+)\(" + name_of(selector) + r"\b[^\[\]]*\[", question.expr)
        if counters.search(name_of(selector)):
            assert calls and set(calls) <= {"rate", "increase"}, question.expr
        else:
            assert not {"rate", "increase", "irate"} & set(calls), question.expr


@each_question
def test_a_fraction_is_never_taken_of_nothing(question: Question) -> None:
    """0/0 is NaN, which Grafana shows as a gap in one place and as text in another."""
    for whole in re.findall(r"\) / (?:ignoring \(le\) group_left \(\) )?(.*)", question.expr):
        assert whole.startswith("(") and "> 0)" in whole, question.expr


@pytest.mark.parametrize("limit", LIMITS.values(), ids=list(LIMITS))
def test_a_limit_is_the_one_of_its_alert(limit: Limit) -> None:
    rule = contract.alerts()[limit.alert]
    numbers = {float(number) for number in re.findall(r"(?:[<>=]=?|/) ([0-9.e]+)\b", rule["expr"])}
    assert OTHER_WORDS.get(limit.alert, limit.value) in numbers, rule["expr"]
    assert rule["labels"]["severity"] == limit.severity
    assert rule["annotations"]["runbook_url"] == f"/{limit.alert}"


@pytest.mark.parametrize("limit", LIMITS.values(), ids=list(LIMITS))
def test_a_number_turns_to_the_colour_of_the_severity_on_the_side_where_the_alert_is(limit: Limit) -> None:
    steps = thresholds([limit])["steps"]
    under, over = steps[0]["color"], steps[1]["color"]
    assert (under, over) == ((COLOURS[limit.severity], "green") if limit.below else ("green", COLOURS[limit.severity]))
    if limit.alert != "MLLatencySLOBurnSlow":  # that rule counts the slow ones, and its panel the fast ones
        assert limit.below == bool(re.search(r" (<|==) [0-9.]+", contract.alerts()[limit.alert]["expr"]))


@pytest.mark.parametrize("uid", UIDS)
def test_every_limit_is_drawn_and_leads_to_its_runbook(uid: str) -> None:
    for panel in panels(dashboard(uid)):
        drawn = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]
        linked = [LIMITS[link["title"].removeprefix("Runbook: ")] for link in panel["links"]]
        assert drawn == sorted(limit.value for limit in linked), panel["title"]
        assert [link["url"] for link in panel["links"]] == [f"{RUNBOOKS}/{limit.alert}" for limit in linked]


def test_the_rules_lead_to_dashboards_that_exist_with_variables_that_they_have() -> None:
    led = 0
    for name, rule in contract.alerts().items():
        url = rule["annotations"].get("dashboard_url", "")
        if url:
            uid, _, query = url.partition("/d/")[2].partition("?")
            assert uid in UIDS, f"{name}: {url}"
            names = {variable["name"] for variable in dashboard(uid)["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", query)) <= names, f"{name}: {url}"
            led += 1
    assert led > 0


def test_the_history_that_the_questions_are_put_to_holds_only_what_exists() -> None:
    names = {re.split(r"[{ ]", line, maxsplit=1)[0] for line in history.everything().splitlines()} - {"#"}
    assert names <= contract.known_series().keys()
