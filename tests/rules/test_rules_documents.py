"""What responders read about the alerts says what the rules do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dev.tools.mutate_rules.mutants import mutants_of
from dev.tools.mutate_rules.rule_files import Rule, read_rules, representatives

ROOT = Path(__file__).resolve().parents[2]
ALERTS = tuple(rule for rule in read_rules(ROOT / "rules").rules if "alert" in rule.fields)
RUNBOOKS = ROOT / "docs" / "runbooks"
SECTIONS = ("**Impact.**", "## First three actions", "## How it was decided")
DASHBOARDS = ("mlops-overview", "business-kpis", "model-health", "alert-bridge")
each_alert = pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule.name)


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {rule.name for rule in ALERTS}


@each_alert
def test_a_page_says_what_it_means_for_users_what_to_do_and_why(rule: Rule) -> None:
    text = (RUNBOOKS / f"{rule.name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {rule.name}\n")
    assert [section for section in SECTIONS if section not in text] == []
    assert [number for number in "123" if f"\n{number}. **" not in text] == []
    actions = text.partition(SECTIONS[1])[2].partition(SECTIONS[2])[0]
    assert actions.count("```sh") >= 2  # one may be to write to colleagues


@each_alert
def test_an_alert_carries_what_routing_and_responders_need(rule: Rule) -> None:
    labels, annotations = rule.fields["labels"], rule.fields["annotations"]
    assert labels["severity"] in ("critical", "warning", "info", "none")
    assert (labels["service"], labels["team"]) == ("toxicity-api", "ml")
    assert labels["component"]
    assert labels["cause"]
    assert annotations.keys() == {"summary", "description", "runbook_url", "dashboard_url"}
    assert annotations["runbook_url"] == f"/{rule.name}"
    assert re.match(rf"/d/({'|'.join(DASHBOARDS)})\?var-", annotations["dashboard_url"])


def test_what_the_bridge_cannot_notify_goes_past_it() -> None:
    direct = {rule.name for rule in ALERTS if rule.fields["labels"].get("route") == "direct"}
    assert direct == {rule.name for rule in ALERTS if rule.name.startswith(("Bridge", "AlertBridge"))} | {
        "AlertmanagerNotificationsFailing"
    }


def test_the_table_of_alerts_is_that_of_the_rules() -> None:
    text = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| [")
    ]
    listed = [(row[0], row[1], row[2], row[4]) for row in rows]
    assert sorted(listed) == sorted(row_of(rule) for rule in ALERTS)


def row_of(rule: Rule) -> tuple[str, str, str, str]:
    labels = rule.fields["labels"]
    waits = f"{rule.fields.get('for', '0')} / {rule.fields.get('keep_firing_for', '-')}"
    return f"[{rule.name}](runbooks/{rule.name}.md)", labels["severity"], labels["cause"], waits


def test_the_page_counts_as_many_mistakes_as_are_tried() -> None:
    """How many of them are noticed takes minutes to find out: that is `make mutate`."""
    tried = sum(len(list(mutants_of(rule))) for rule in representatives(read_rules(ROOT / "rules").rules))
    assert f"of {tried:,} mistakes are noticed" in (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")


def test_the_generated_rules_are_what_their_generator_writes() -> None:
    done = subprocess.run(
        [sys.executable, "rules/generate_drift.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
