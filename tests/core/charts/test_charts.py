"""What a chart shows, and its description in words."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from bridge.core.charts.chart import DistributionChart, Line, LineChart, Mark, chosen_lines, in_words, marks_of
from bridge.core.charts.expressions import Threshold
from bridge.core.context.distributions import Bin
from bridge.core.context.series import Series, Span
from bridge.core.facts import ChangeEvent, Unit
from tests.builders import NOON, at

SPAN = Span(NOON, at(3600))


def line(name: str, *values: float) -> Series:
    return Series({"pod": name}, tuple((NOON.timestamp() + 60 * n, value) for n, value in enumerate(values)))


def deploy(seconds: float, version: str = "") -> ChangeEvent:
    return ChangeEvent("deploy", "api", at(seconds), "", version=version)


def test_the_worst_lines_are_shown_and_the_others_counted() -> None:
    every = [line(f"p{n}", float(n)) for n in range(6)]
    above, hidden = chosen_lines(every, Threshold(">", 1))
    assert ([each.name for each in above], hidden) == (["p5", "p4", "p3", "p2"], 2)
    below, _ = chosen_lines(every, Threshold("<", 1))
    assert [each.name for each in below] == ["p0", "p1", "p2", "p3"]


def test_lines_without_numbers_are_left_out() -> None:
    lines, hidden = chosen_lines([line("a", math.nan, math.inf), line("b", 1.0, math.nan)], None)
    assert ([(each.name, len(each.points)) for each in lines], hidden) == ([("b", 1)], 0)


def test_changes_within_the_time_are_marked_by_version() -> None:
    marks = marks_of([deploy(600, "v3"), deploy(60), deploy(-60, "v1"), deploy(7200, "v4")], SPAN)
    assert [(mark.at, mark.text) for mark in marks] == [(at(60), "deploy"), (at(600), "v3")]


def test_a_line_chart_is_described_in_words() -> None:
    lines = (Line("", ((NOON.timestamp(), 0.12), (NOON.timestamp() + 1800, 0.5), (NOON.timestamp() + 3600, 0.43))),)
    marks = marks_of([deploy(600, "v2")], SPAN)
    chart = LineChart("ToxicRate", Unit.RATIO, SPAN, 60, lines, 0, Threshold(">", 0.4), at(1500), marks)
    expected = (
        "Line chart of ToxicRate, 12:00 to 13:00 UTC on 1 Mar 2026; 12 % at first, highest 50 % at 12:30, "
        "43 % at the end; alerts above 40 %; fired at 12:25; v2 at 12:10."
    )
    assert in_words(chart) == expected


@pytest.mark.parametrize(
    ("shown", "ends", "words"),
    [
        (360.0, 130, "fired at 12:02:00; ended at 12:02:10;"),
        (7200.0, 3000, "fired at 12:02; ended at 12:50;"),
        (400000.0, 300000, "fired at 1 Mar 12:02; ended at 4 Mar 23:20;"),
    ],
)
def test_the_precision_of_times_depends_on_the_span(shown: float, ends: float, words: str) -> None:
    lines, marks = (Line("", ((at(120).timestamp(), 1.0),)),), (Mark(at(125), "v2"),)
    chart = LineChart("X", Unit.NUMBER, Span(NOON, at(shown)), 60, lines, 0, None, at(120), marks, at(ends))
    assert words in in_words(chart)


def test_an_empty_chart_says_so() -> None:
    assert "no data" in in_words(LineChart("X", Unit.NUMBER, SPAN, 60, ()))
    assert "no data" in in_words(DistributionChart("X", Unit.NUMBER, ()))


def test_a_distribution_is_described_by_its_largest_bin() -> None:
    bins = (Bin(-math.inf, 0.5, 0.1, 0.3), Bin(0.5, 0.9, 0.7, 0.2), Bin(0.9, math.inf, 0.2, 0.5))
    expected = (
        "Bar chart of Confidence; 70 % now are from 0.5 to 0.9, the most, against 20 % in training; "
        "largest difference of the cumulative shares 0.3."
    )
    assert in_words(DistributionChart("Confidence", Unit.NUMBER, bins)) == expected


def test_times_are_in_utc() -> None:
    chart = LineChart("X", Unit.NUMBER, Span(at(0), at(0) + timedelta(hours=13)), 60, ())
    assert "12:00 to 01:00 UTC on 2 Mar 2026" in in_words(chart)
