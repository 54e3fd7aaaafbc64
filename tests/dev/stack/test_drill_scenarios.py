"""The table of drills against the table of alerts, and what drills query against the code that exports it."""

from __future__ import annotations

import promql_parser
import pytest
import yaml
from promql_parser import VectorSelector

from bert_api.metrics import Metrics
from dev.stack import promql
from dev.stack.drill_scenarios import CAUSES, DRILLS, NOT_DRILLED, Drill, scenarios
from dev.stack.drill_screen import listed
from dev.stack.places import ROOT
from dev.stack.speed import Tempo

RULES = [
    rule
    for file in sorted((ROOT / "rules").glob("*.yml"))
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDS = {rule["record"] for rule in RULES if "record" in rule}
PAGE = (ROOT / "docs" / "drills.md").read_text(encoding="utf-8")
EACH_DRILL = pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.alert)


def test_every_alert_has_a_drill_or_says_why_not() -> None:
    drilled = [drill.alert for drill in DRILLS]
    assert sorted([*drilled, *NOT_DRILLED]) == sorted(ALERTS)


def test_every_drill_of_a_fault_knows_its_cause() -> None:
    faults = [alert for alert, rule in ALERTS.items() if rule["labels"].get("route") != "direct"]
    announcing = {"MLModelDeployed", "MLRetrainingStarted"}
    assert {drill.alert for drill in DRILLS if drill.alert in faults} - announcing == set(CAUSES)


def test_every_scenario_that_was_promised_is_there() -> None:
    assert scenarios() == [
        "errors", "latency", "model-down", "toxic-wave", "drift", "memory", "surge", "saturation", "deploy", "retrain",
        "bridge",
    ]  # fmt: skip


@pytest.mark.parametrize("text", [PAGE, listed()], ids=["page", "list"])
def test_the_page_and_the_list_name_every_alert_and_scenario(text: str) -> None:
    assert [alert for alert in ALERTS if alert not in text] == []
    assert [name for name in scenarios() if name not in text] == []


def test_the_page_says_the_same_reasons_as_the_list() -> None:
    words = " ".join(PAGE.split())
    assert [alert for alert, reason in NOT_DRILLED.items() if f"| {alert} | {reason} |" not in words] == []


def test_the_page_and_the_drills_agree_on_what_is_done() -> None:
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in PAGE.splitlines() if line[:1] == "|"]
    listed_drills = {(row[0].strip("`"), row[1], row[2]) for row in rows if row[1] in ALERTS}
    assert listed_drills == {
        (drill.scenario, drill.alert, ALERTS[drill.alert]["labels"]["severity"]) for drill in DRILLS
    }


def series(expression: str) -> set[str]:
    names: set[str] = set()

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, VectorSelector):
            assert node.name is not None
            names.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return names


@EACH_DRILL
def test_a_drill_queries_series_that_exist(drill: Drill) -> None:
    families = list(Metrics("test").registry.collect())
    exported = {sample.name for family in families for sample in family.samples} | {family.name for family in families}
    retraining = {"ml_retraining_last_start_timestamp_seconds"}  # there once a model is served
    used = series(drill.measure) | (series(drill.before) if drill.before else set())
    assert used <= RECORDS | exported | retraining | {"up"}


@EACH_DRILL
def test_a_drill_waits_for_what_can_be_asked_in_faster_time_too(drill: Drill) -> None:
    expression = promql.rewritten(drill.before, Tempo(30), {})
    assert (expression != drill.before) == ("[" in drill.before)
    assert not expression or promql_parser.parse(expression)
