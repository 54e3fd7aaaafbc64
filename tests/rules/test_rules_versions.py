"""The rules use only what Prometheus 2.42 and 3.x both know, and what means the same to both."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from promql_parser import Call, MatrixSelector, SubqueryExpr

from dev.tools.mutate_rules.rule_files import Rule, read_rules
from tests.rules import promql_reading as reading

ROOT = Path(__file__).resolve().parents[2]
RULES = read_rules(ROOT / "rules").rules
FILES = sorted((ROOT / "rules").glob("*.yml"))
PROMETHEUS = yaml.safe_load((ROOT / "docker/prometheus/prometheus.yml").read_text())
SCRAPE = timedelta(seconds=int(PROMETHEUS["global"]["scrape_interval"].removesuffix("s")))
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
GROUP_FIELDS = {"name", "interval", "limit", "rules"}
RULE_FIELDS = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
#: in 2.42 and unchanged in 3.x; holt_winters was renamed, and others came later
FUNCTIONS = {
    "absent", "avg_over_time", "clamp_min", "histogram_quantile", "increase", "ln", "max_over_time",
    "quantile_over_time", "rate", "time", "vector",
}  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_groups_and_rules_have_only_fields_that_both_read(file: Path) -> None:
    for group in yaml.safe_load(file.read_text())["groups"]:
        assert set(group) <= GROUP_FIELDS
        assert set().union(*group["rules"]) <= RULE_FIELDS


@each_rule
def test_functions_are_those_that_both_have(rule: Rule) -> None:
    called = {node.func.name for node in reading.nodes(rule.fields["expr"]) if isinstance(node, Call)}
    assert called <= FUNCTIONS


@each_rule
def test_a_range_is_so_long_that_its_left_end_does_not_matter(rule: Rule) -> None:
    """3.x leaves out a sample exactly at the beginning of a range, so a rate over two scrapes could have one left."""
    for node in reading.nodes(rule.fields["expr"]):
        assert not isinstance(node, SubqueryExpr), f"{node}: the steps of a subquery fall on its left end"
        if isinstance(node, MatrixSelector):
            assert node.range >= 4 * SCRAPE, str(node)


@each_rule
def test_a_bound_is_written_as_3_stores_it(rule: Rule) -> None:
    """2.42 keeps `1`, 3.x makes `1.0` of it: what is asked for as 1 would be silent there."""
    for text in re.findall(r'\ble="([^"]*)"', rule.fields["expr"]):
        assert re.fullmatch(r"\d+\.\d+|\+Inf", text), text


@pytest.mark.parametrize("file", sorted((ROOT / "rules/tests").glob("*.yml")), ids=lambda file: file.name)
def test_the_tests_of_the_rules_need_no_newer_promtool(file: Path) -> None:
    test = yaml.safe_load(file.read_text())
    assert set(test) <= {"rule_files", "evaluation_interval", "group_eval_order", "tests"}
    fields = {"name", "interval", "input_series", "alert_rule_test", "promql_expr_test", "external_labels"}
    assert set().union(*test["tests"]) <= fields | {"external_url"}
