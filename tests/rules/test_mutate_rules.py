"""The mutation test is tested on a small set of rules: does it see weak tests, and does it believe explanations?"""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.stack import binaries
from dev.tools.mutate_rules.__main__ import main
from dev.tools.mutate_rules.expressions import in_expression
from dev.tools.mutate_rules.mutants import mutants_of
from dev.tools.mutate_rules.rule_files import Rule, RuleSet, read_rules, representatives

ALERT = """\
groups:
  - name: small
    rules:
      - record: job:requests:rate5m
        expr: sum by (job) (rate(requests_total[5m]))
      - alert: Busy
        expr: job:requests:rate5m > 60
        for: 2m
        labels: {severity: info}
"""
WEAK = """\
rule_files: [../small.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series: [{series: 'requests_total{job="a"}', values: 0+6000x20}]
    alert_rule_test:
      - eval_time: 10m
        alertname: Busy
        exp_alerts: [{exp_labels: {job: a, severity: info}}]
    promql_expr_test:
      - expr: job:requests:rate5m
        eval_time: 10m
        exp_samples: [{labels: 'job:requests:rate5m{job="a"}', value: 100}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "small.yml").write_text(ALERT, encoding="utf-8")
    (tmp_path / "tests" / "small_test.yml").write_text(WEAK, encoding="utf-8")
    (tmp_path / "tests" / "survivors.yml").write_text("", encoding="utf-8")
    return tmp_path


def run(folder: Path, *more: str) -> int:
    survivors = str(folder / "tests" / "survivors.yml")
    promtool = str(binaries.find("promtool"))
    return main(["--promtool", promtool, "--rules", str(folder), "--survivors", survivors, "--jobs", "2", *more])


def test_a_test_that_only_shows_the_alert_firing_lets_mistakes_through(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--only", "Busy") == 1
    printed = capsys.readouterr().out
    assert "Busy: for dropped" in printed  # no test asks before the wait is over
    assert "Busy: 60 -> 90" in printed  # no test asks just above the limit
    assert "Busy: > -> <" not in printed
    assert "Busy: severity info -> none" not in printed


def test_an_explained_survivor_is_accepted_and_an_explanation_of_nothing_is_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tests" / "survivors.yml").write_text('{Busy: {"*": "a demonstration"}}', encoding="utf-8")
    assert run(folder, "--only", "Busy") == 0
    (folder / "tests" / "survivors.yml").write_text('{Idle: {"*": "is no rule"}}', encoding="utf-8")
    assert run(folder) == 1
    assert "explain nothing any more" in capsys.readouterr().out


def test_a_reason_must_be_given(folder: Path) -> None:
    (folder / "tests" / "survivors.yml").write_text('{Busy: {"for dropped": ""}}', encoding="utf-8")
    with pytest.raises(ValueError, match="no reason is given for Busy: for dropped"):
        run(folder, "--only", "Busy")


def test_rules_that_fail_without_any_mistake_are_no_proof(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = WEAK.replace("severity: info", "severity: critical")
    (folder / "tests" / "small_test.yml").write_text(broken, encoding="utf-8")
    assert run(folder) == 2
    assert "Busy" in capsys.readouterr().err


def test_rules_without_a_test_are_no_proof_either(folder: Path) -> None:
    (folder / "tests" / "small_test.yml").unlink()
    assert run(folder) == 2


def test_a_rule_that_does_not_exist_is_not_all_well(folder: Path) -> None:
    assert run(folder, "--only", "Bussy") == 2


def test_a_sample_is_a_part_and_always_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = []
    for more in (["--sample", "3"], ["--sample", "3"], []):
        assert run(folder, "--list", *more) == 0
        lists.append(set(capsys.readouterr().out.splitlines()))
    assert lists[0] == lists[1]
    assert 0 < len(lists[0]) < len(lists[2])
    assert lists[0] < lists[2]


@pytest.mark.parametrize(
    ("expression", "mistake"),
    [
        ("x > 0.5", "x > 0.75"),
        ("x > 50", "x > 51"),
        ("x > 50", "x > 49"),
        ("x >= 100", "x >= 150"),
        ("x > 1", "x >= 1"),
        ("x < 1", "x > 1"),
        ("a and on (b, c) d >= 20", "a"),
        ("a and on (b, c) d >= 20", "a or on (b, c) d >= 20"),
        ("a and on (b, c) d", "a and on (b) d"),
        ("a unless b", "a and b"),
        ("a or absent(b)", "a"),
        ("absent(b)", "b"),
        ("clamp_min(a, 3)", "a"),
        ("a / (b > 0)", "a / (b)"),
        ("rate(x[5m])", "rate(x[2m30s])"),
        ("x offset 1h", "x"),
        ('x{le="0.6"}', 'x{le="0.5"}'),
        ('x{a="b", c!="d"}', 'x{c!="d"}'),
        ('x{a=~"b"}', 'x{a!~"b"}'),
        ("sum by (a) (x)", "max by (a) (x)"),
        ("0 * x", "1 * x"),
    ],
)
def test_this_mistake_is_tried(expression: str, mistake: str) -> None:
    assert plain(mistake) in {plain(changed) for _, changed in in_expression(expression)}


def plain(expression: str) -> str:
    """Without what the parser's own way of writing adds."""
    for added, nothing in ((" ", ""), ("{}", ""), ("(b>0)", "(b)"), ("150s", "2m30s"), (",}", "}")):
        expression = expression.replace(added, nothing)
    return expression


def test_a_name_with_digits_and_a_window_is_not_taken_for_a_number() -> None:
    changed = [what for what, _ in in_expression("namespace:x:p95_rate5m / 2")]
    assert changed == ["/ -> *", "2 -> 3", "2 -> 1"]


def test_waits_and_labels_are_changed_too() -> None:
    alert = Rule("a.yml", "g", {"alert": "A", "expr": "x", "for": "5m", "labels": {"severity": "critical"}})
    assert [mutant.what for mutant in mutants_of(alert)] == [
        "for dropped",
        "for 5m -> 150s",
        "for 5m -> 600s",
        "keep_firing_for 10m added",
        "severity critical -> warning",
    ]


def test_a_rule_is_judged_together_with_what_it_stands_on(folder: Path) -> None:
    rules = read_rules(folder)
    assert [rule.name for rule in rules.needed_by(rules.rules[1])] == ["job:requests:rate5m", "Busy"]


def test_a_series_that_only_a_text_asks_for_is_needed_as_well() -> None:
    text = {"annotations": {"description": '{{ query "job:requests:rate5m" }}'}}
    record = Rule("a.yml", "g", {"record": "job:requests:rate5m", "expr": "x"})
    alert = Rule("a.yml", "g", {"alert": "A", "expr": "y"} | text)
    assert RuleSet((record, alert)).needed_by(alert) == (record, alert)


def test_of_many_bins_three_stand_for_all() -> None:
    bins = tuple(Rule("a.yml", "g", {"record": "a:b:c", "expr": "x", "labels": {"bin": str(n)}}) for n in range(9))
    assert [rule.fields["labels"]["bin"] for rule in representatives(bins)] == ["0", "1", "8"]


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="contains no rule files"):
        read_rules(tmp_path)
