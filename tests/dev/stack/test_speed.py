"""Faster time: which numbers change, and to what. The real rules are judged by a parser and by promtool."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from promql_parser import BinaryExpr, Expr, MatrixSelector, NumberLiteral, SubqueryExpr, VectorSelector

from dev.stack import binaries, promql, speed
from dev.stack.errors import StackError
from dev.stack.places import ROOT
from dev.stack.speed import Tempo

RULES = {file.name: yaml.safe_load(file.read_text()) for file in sorted((ROOT / "rules").glob("*.yml"))}
SPEEDS = [2, 7, 30, 60, 300]
EACH_SPEED = pytest.mark.parametrize("times", SPEEDS)


def each_rule(files: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for content in files.values():
        for group in content["groups"]:
            yield from group["rules"]


def both(times: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each rule as it is, and as it is in faster time."""
    return list(zip(each_rule(RULES), each_rule(speed.divided(RULES, Tempo(times))), strict=True))


def nodes(expression: str) -> list[Expr]:
    found: list[Expr] = []

    def visit(node: Expr) -> bool:
        found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


def lengths(expression: str) -> list[tuple[str, int]]:
    """What kind of time, and how long in milliseconds, in the order of the parser's walk."""
    found = []
    for node in nodes(expression):
        if isinstance(node, MatrixSelector | SubqueryExpr):
            assert node.range is not None
            found.append(("window", round(node.range.total_seconds() * 1000)))
        if isinstance(node, VectorSelector | SubqueryExpr) and node.offset is not None:
            found.append(("offset", round(node.offset.total_seconds() * 1000)))
    return found


def numbers(expression: str) -> list[tuple[str, float]]:
    """Every number, and what it is compared with: `>=` for a guard, time for an age, nothing for all others."""
    every = nodes(expression)
    compared = [
        (_kind(node), node.rhs.val)
        for node in every
        if isinstance(node, BinaryExpr) and isinstance(node.rhs, NumberLiteral)
    ]
    others = Counter(node.val for node in every if isinstance(node, NumberLiteral))
    others.subtract(value for _, value in compared)
    return compared + [("", value) for value in others.elements()]


def _kind(node: BinaryExpr) -> str:
    if str(node.op) == ">=":
        return "guard"
    return "age" if "time()" in str(node.lhs) and str(node.op) in "<>" else ""


def test_real_time_is_the_identity() -> None:
    assert speed.divided(RULES, Tempo(1)) == RULES


@EACH_SPEED
def test_every_range_and_offset_is_divided_but_no_window_is_shorter_than_four_scrapes(times: int) -> None:
    interval = max(15_000 / times, 1000)
    least = {"window": 4 * round(interval), "offset": round(interval)}
    compared = 0
    for before, after in both(times):
        old, new = lengths(before["expr"]), lengths(after["expr"])
        assert [(kind, max(round(each / times), least[kind])) for kind, each in old] == new, before["expr"]
        compared += len(old)
    assert compared > 30


@EACH_SPEED
def test_for_and_keep_firing_for_are_divided(times: int) -> None:
    for before, after in both(times):
        for name in ("for", "keep_firing_for"):
            assert (name in before) == (name in after)
            if name in before:
                expected = max(round(promql.milliseconds(before[name]) / times), Tempo(times).interval)
                assert promql.milliseconds(after[name]) == expected, before


@EACH_SPEED
def test_of_the_numbers_only_guards_and_ages_change(times: int) -> None:
    kinds = set()
    for before, after in both(times):
        old, new = numbers(before["expr"]), numbers(after["expr"])
        assert [kind for kind, _ in old] == [kind for kind, _ in new]
        for (kind, was), (_, value) in zip(old, new, strict=True):
            kinds.add(kind)
            assert value == was if kind == "" else 1 <= value < was, before["expr"]
    assert kinds == {"", "guard", "age"}


@pytest.mark.parametrize(
    ("alert", "times", "guard"),
    [
        ("MLErrorRateCritical", 2, "increase5m >= 10"),
        ("MLErrorRateCritical", 30, "increase5m >= 1"),
        ("MLConfidenceDrift", 30, "increase1h >= 17"),  # 500 / 30
        ("MLConfidenceDrift", 300, "increase1h >= 2"),
        ("HTTPLatencyP99High", 300, "increase5m >= 2"),  # its window is limited to 4 s, 1/75 of 5m
        ("MLRetrainingRequired", 7, "increase30m >= 15"),
        ("BridgeContextFailing", 5, "[3m])) >= 4"),
        ("MLRetrainingStarted", 30, "< 20"),
        ("MLModelDeployed", 30, "[1m] offset 20s"),
        ("TrafficSpike", 30, "> 10"),
        ("BridgeDeliveriesOverdue", 30, "> 300"),  # by the bridge's own clock
    ],
)
def test_an_alert_reads_as_expected(alert: str, times: int, guard: str) -> None:
    (rule,) = [after for before, after in both(times) if before.get("alert") == alert]
    assert guard in " ".join(rule["expr"].split())


@EACH_SPEED
def test_names_labels_and_texts_stay(times: int) -> None:
    for before, after in both(times):
        changed = {name for name in before if before[name] != after[name]}
        assert changed <= {"expr", "for", "keep_firing_for"}
        assert [str(each.matchers) for each in nodes(before["expr"]) if isinstance(each, VectorSelector)] == [
            str(each.matchers) for each in nodes(after["expr"]) if isinstance(each, VectorSelector)
        ]


@EACH_SPEED
def test_promtool_accepts_the_files(times: int, tmp_path: Path) -> None:
    (tmp_path / "left-over.yml").write_text("groups: [")
    speed.write_rules(tmp_path, Tempo(times))
    files = sorted(tmp_path.glob("*.yml"))
    words = [str(binaries.find("promtool")), "check", "rules", "--lint=all", "--lint-fatal", *map(str, files)]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [file.name for file in files] == list(RULES)


def expression(text: str, times: int = 30, **windows: int) -> str:
    return promql.rewritten(text, Tempo(times), windows)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("rate(x[5m])", "rate(x[10s])"),
        ("rate(x[ 1h ] offset 1d) # [5m]", "rate(x[2m] offset 48m) # [5m]"),
        ("rate(x[1h] offset -1h)", "rate(x[2m] offset -2m)"),
        ("max_over_time(rate(x[5m])[1h:5m])", "max_over_time(rate(x[10s])[2m:10s])"),
        ("max_over_time(x[1h:])", "max_over_time(x[2m:])"),
        ('x{le="5m", a=~"[5m]"} >= 1 and rate(a:b:increase5m[5m]) > 5', None),
        ("increase(x[10m]) >= bool 60", "increase(x[20s]) >= bool 2"),
        ("a > 0.5 and seen_5m >= 60", "a > 0.5 and seen_5m >= 2"),
        ("(increase(y[1d]) > 3) and increase(x[10m]) >= 60", "(increase(y[48m]) > 3) and increase(x[20s]) >= 2"),
        ("time() - x > 3600", "time() - x > 120"),
        ("abs(time() - x) < 45", "abs(time() - x) < 4"),
        ("a > 600 and time() - x < 600", "a > 600 and time() - x < 20"),
        ("x > 1.5e9", "x > 1.5e9"),
        ("x @ 1600000000 > 0x10", "x @ 1600000000 > 0x10"),
    ],
)
def test_an_expression_is_rewritten(before: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(StackError, match="A guard"):
            expression(before)
    else:
        assert expression(before, seen_5m=600_000) == after


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("seen >= 20", "none is found in: seen"),
        ("600 > time() - x", "not compared with a plain number"),
        ("time() - x < 60 * 10", "write the seconds as one number"),
        ("rate(x[300])", "is not a range such as"),
        ("rate(x[5m]) + 5m", "neither a range nor an offset"),
    ],
)
def test_what_cannot_be_divided_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(StackError, match=complaint):
        expression(text)


def test_a_record_looks_back_as_long_as_what_it_is_made_of() -> None:
    rules = [{"record": "c", "expr": "b / 2"}, {"record": "b", "expr": "a + a"}, {"record": "a", "expr": "rate(x[5m])"}]
    assert speed.recorded_windows(rules) == {"a": 300_000, "b": 300_000, "c": 300_000}


def test_what_is_limited_is_said() -> None:
    tempo = Tempo(300)
    assert (tempo.window(300_000), tempo.wait(120_000), tempo.guard(Fraction(75), 300_000)) == (4000, 1000, 1)
    assert tempo.note() == (
        "At SPEED=300 some durations would be too short for Prometheus, and are limited: 2m is 1s, 5m is 4s."
    )
    assert Tempo(30).note() == ""


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "fast", "301"])
def test_a_speed_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(StackError, match="is not a speed: write a whole number from 1"):
        speed.from_environment({"SPEED": text})


def test_the_usual_speed_is_that_of_the_demonstration() -> None:
    assert [speed.from_environment({}), speed.from_environment({"SPEED": "1"})] == [30, 1]
