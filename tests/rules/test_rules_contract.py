"""Nothing in a rule may ask for what is not exported: such an alert would be silent for ever, without a sign."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import promql_parser
import pytest
from promql_parser import AggregateExpr, BinaryExpr, Call, MatrixSelector, VectorSelector

from bert_api.metrics import RESULTS
from bert_api.service.app import OPERATIONAL
from bridge.observability.metrics import CONTEXT_OUTCOMES
from dev.tools.mutate_rules.rule_files import Rule, read_rules, read_tests
from tests.rules import exported
from tests.rules import promql_reading as reading

ROOT = Path(__file__).resolve().parents[2]
RULES = read_rules(ROOT / "rules").rules
ALERTS = tuple(rule for rule in RULES if "alert" in rule.fields)
RECORDS = tuple(rule for rule in RULES if "record" in rule.fields)
EXPORTED = exported.everything()
LEVEL = re.compile(r"namespace|job|pod|version|error_type|bin|le")
RATES = {"rate", "increase"}


def recorded_labels(name: str) -> set[str]:
    return set(LEVEL.findall(name.partition(":")[0]))


def labels_of(selector: VectorSelector) -> set[str]:
    name = reading.name_of(selector)
    if ":" in name:
        return recorded_labels(name)
    series = EXPORTED[name]
    jobs = jobs_of(selector) or [series.job]
    return series.labels | set().union(*(exported.TARGET_LABELS[job] for job in jobs))


def jobs_of(selector: VectorSelector) -> list[str]:
    return [job for label, _, value in reading.matchers(selector) if label == "job" for job in value.split("|")]


def selectors_of(rule: Rule) -> list[VectorSelector]:
    return [each for each in reading.nodes(rule.fields["expr"]) if isinstance(each, VectorSelector)]


def each_rule(rules: tuple[Rule, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rule", rules, ids=lambda rule: rule.name)


@each_rule(RULES)
def test_every_series_that_a_rule_reads_is_exported_or_recorded(rule: Rule) -> None:
    known = EXPORTED.keys() | {each.produces for each in RECORDS}
    assert {reading.name_of(each) for each in selectors_of(rule)} <= known


@each_rule(RULES)
def test_every_exported_series_is_asked_of_the_job_that_exports_it(rule: Rule) -> None:
    for selector in selectors_of(rule):
        name = reading.name_of(selector)
        if ":" not in name:
            expected = set(exported.TARGET_LABELS) if name == "up" else {EXPORTED[name].job}
            assert jobs_of(selector), f"{selector} does not say of which job"
            assert set(jobs_of(selector)) <= expected


@each_rule(RULES)
def test_every_matched_label_is_there(rule: Rule) -> None:
    for selector in selectors_of(rule):
        assert {label for label, _, _ in reading.matchers(selector)} <= labels_of(selector)


@each_rule(RULES)
def test_every_bound_is_a_bucket_by_the_name_that_the_client_writes(rule: Rule) -> None:
    for selector in selectors_of(rule):
        for label, _, value in reading.matchers(selector):
            if label in ("le", "upper"):
                assert value in bounds(reading.name_of(selector), label)


def bounds(name: str, label: str) -> set[str]:
    sources = ["ml_confidence_distribution_bucket"] if ":" in name else [name]
    return EXPORTED[sources[0]].values[label]


@each_rule(RULES)
def test_every_label_that_is_grouped_or_matched_by_is_there(rule: Rule) -> None:
    for node in reading.nodes(rule.fields["expr"]):
        if isinstance(node, AggregateExpr) and node.modifier:
            assert set(node.modifier.labels) <= reading.output_labels(node.expr, labels_of)
        if isinstance(node, BinaryExpr) and node.modifier and node.modifier.matching:
            sides = (reading.output_labels(side, labels_of) for side in (node.lhs, node.rhs))
            assert set(node.modifier.matching.labels) <= set.intersection(*sides)


@each_rule(RULES)
def test_counters_are_read_as_rates_and_gauges_are_not(rule: Rule) -> None:
    rated = {
        argument.vector_selector.name
        for node in reading.nodes(rule.fields["expr"])
        if isinstance(node, Call) and node.func.name in RATES
        for argument in node.args
        if isinstance(argument, MatrixSelector)
    }
    for name in {reading.name_of(each) for each in selectors_of(rule)} & EXPORTED.keys():
        assert (name in rated) == (EXPORTED[name].type in ("counter", "histogram")), name


@each_rule(RECORDS)
def test_a_recorded_name_says_which_labels_are_left(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9_]+:[a-z0-9_]+:[a-z0-9_]+", rule.produces)
    left = reading.output_labels(promql_parser.parse(rule.fields["expr"]), labels_of)
    assert recorded_labels(rule.produces) == left | rule.fields.get("labels", {}).keys()


@each_rule(ALERTS)
def test_no_text_speaks_of_a_label_that_the_alert_has_not(rule: Rule) -> None:
    texts = (*rule.fields["labels"].values(), *rule.fields["annotations"].values())
    spoken_of = {name for text in texts for name in re.findall(r"\$labels\.(\w+)", text)}
    assert spoken_of <= reading.output_labels(promql_parser.parse(rule.fields["expr"]), labels_of)


@each_rule(ALERTS)
def test_no_label_changes_with_the_value(rule: Rule) -> None:
    assert not [text for text in rule.fields["labels"].values() if "$value" in text]


@each_rule(RULES)
def test_at_least_is_kept_for_guards_that_count_events_in_a_window(rule: Rule) -> None:
    for node in reading.nodes(rule.fields["expr"]):
        if isinstance(node, BinaryExpr) and str(node.op) == ">=":
            assert "increase" in str(node.lhs), f"{node}: >= would be taken for a guard when time is made faster"


@each_rule(RULES)
def test_seconds_are_compared_with_the_clock_only_as_an_age(rule: Rule) -> None:
    for node in reading.nodes(rule.fields["expr"]):
        if isinstance(node, Call) and node.func.name == "time":
            assert re.search(r"time\(\) - .* < \d+$", str(promql_parser.parse(rule.fields["expr"])))


def test_the_operational_handlers_are_those_that_the_rules_leave_out() -> None:
    left_out = {
        value
        for rule in RULES
        for selector in selectors_of(rule)
        for label, _, value in reading.matchers(selector)
        if label == "handler"
    }
    assert left_out == {"|".join(handlers) for handlers in (("/healthz", "/readyz", "/metrics"),)}
    assert set("|".join(left_out).split("|")) == OPERATIONAL


def test_the_result_that_counts_as_toxic_is_one_that_the_api_gives() -> None:
    given = [
        value
        for rule in RULES
        for each in selectors_of(rule)
        for label, _, value in reading.matchers(each)
        if label == "result"
    ]
    assert given and set(given) <= set(RESULTS)


def test_the_outcome_that_is_no_failure_is_one_that_the_bridge_counts() -> None:
    outcomes = {
        (operator, value)
        for rule in RULES
        for selector in selectors_of(rule)
        for label, operator, value in reading.matchers(selector)
        if label == "outcome"
    }
    assert outcomes == {("NotEqual", "ok")}
    assert "ok" in CONTEXT_OUTCOMES


def test_every_alert_is_asked_for_in_a_test_where_it_fires_and_where_it_does_not() -> None:
    firing: set[str] = set()
    silent: set[str] = set()
    for file in read_tests(ROOT / "rules" / "tests"):
        for case in file["tests"]:
            for question in case.get("alert_rule_test", []):
                (firing if question.get("exp_alerts") else silent).add(question["alertname"])
    names = {rule.name for rule in ALERTS}
    assert names == firing
    assert names - silent == {"Watchdog"}, "each alert but Watchdog needs a case in which it is silent"


def test_every_record_has_a_test_of_its_values() -> None:
    questions = [
        question["expr"]
        for file in read_tests(ROOT / "rules" / "tests")
        for case in file["tests"]
        for question in case.get("promql_expr_test", [])
    ]
    missing = {rule.produces for rule in RECORDS} - {
        name for text in questions for name in re.findall(r"\w+:\w+:\w+", text)
    }
    assert not missing


BUCKET = "ml_processing_duration_seconds_bucket"
FAULTY = (
    (test_every_series_that_a_rule_reads_is_exported_or_recorded, 'ml_prediction_total{job="toxicity-api"}'),
    (test_every_exported_series_is_asked_of_the_job_that_exports_it, "ml_model_status"),
    (test_every_exported_series_is_asked_of_the_job_that_exports_it, 'ml_model_status{job="bert-api"}'),
    (test_every_matched_label_is_there, 'ml_prediction_errors_total{job="toxicity-api", type="timeout"}'),
    (
        test_every_bound_is_a_bucket_by_the_name_that_the_client_writes,
        f'{BUCKET}{{le="0.25"}}',
    ),
    (test_every_bound_is_a_bucket_by_the_name_that_the_client_writes, f'{BUCKET}{{le="1"}}'),
    (
        test_every_label_that_is_grouped_or_matched_by_is_there,
        'sum by (result) (app_memory_usage_bytes{job="toxicity-api"})',
    ),
    (test_every_label_that_is_grouped_or_matched_by_is_there, "namespace_job:a:b and on (pod) namespace_job_pod:c:d"),
    (test_counters_are_read_as_rates_and_gauges_are_not, "ml_predictions_total > 5"),
    (test_counters_are_read_as_rates_and_gauges_are_not, "rate(app_memory_usage_bytes[5m])"),
    (test_a_recorded_name_says_which_labels_are_left, 'sum by (namespace) (ml_model_status{job="toxicity-api"})'),
    (test_at_least_is_kept_for_guards_that_count_events_in_a_window, "http_requests_in_progress >= 50"),
    (test_seconds_are_compared_with_the_clock_only_as_an_age, "600 > time() - ml_model_loaded_timestamp_seconds"),
)


@pytest.mark.parametrize(("check", "expression"), FAULTY, ids=lambda value: getattr(value, "__name__", value))
def test_a_rule_with_this_fault_is_found(check: Callable[[Rule], None], expression: str) -> None:
    faulty = Rule("faulty.yml", "faulty", {"record": "namespace_job:faulty:rule", "expr": expression})
    with pytest.raises(AssertionError):
        check(faulty)
