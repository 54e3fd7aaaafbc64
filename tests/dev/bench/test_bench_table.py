"""The table says what was measured, beside what, and whether it is good enough."""

from __future__ import annotations

import pytest

from dev.bench.lines import LINES, Judged, Line
from dev.bench.measuring import Figures, Size
from dev.bench.rounds import Runs, faults
from dev.bench.table import counted, markdown, plain, rows, spread, verdict

SPEED, CPU = "delivered/s and channel", "CPU ms per notification"
MORE = Line("posts", "ingest", "posts/s", 900, 1200, more_is_better=True)
LESS = Line("memory", "storm", "MB", 120, 100)


def storms(*speeds: float, **more: float) -> list[Figures]:
    return [{each.figure: speed for each in LINES if each.measurement == "storm"} | more for speed in speeds]


@pytest.mark.parametrize(
    ("line", "value", "said"),
    [
        (MORE, 1200.0, "aim"),
        (MORE, 900.0, "hold"),
        (MORE, 899.0, "no"),
        (LESS, 100.0, "aim"),
        (LESS, 120.0, "hold"),
        (LESS, 121.0, "no"),
        (LESS, None, "?"),
    ],
)
def test_a_figure_is_judged_in_its_direction(line: Line, value: float | None, said: str) -> None:
    assert verdict(line, value) == said


def test_a_line_shows_the_median_its_spread_and_the_ratio() -> None:
    runs: Runs = {"storm": {"bridge": storms(100, 300, 200), "alertmanager": storms(500, 400, 600)}}
    speed = rows(runs, Size())[0]
    assert speed == (
        "storm of 5,000 × 3: deliveries a second and channel",
        "200 (100–300)",
        "500 (400–600)",
        "0.40",
        "0.8 ×",
        "1.2 ×",
        "no",
    )


def test_without_alertmanager_a_ratio_is_not_judged() -> None:
    speed = rows({"storm": {"bridge": storms(100)}}, Size())[0]
    assert (speed[1], speed[2], speed[3], speed[6]) == ("100", "–", "–", "?")


def test_postgresql_is_compared_with_the_same_storm_on_sqlite() -> None:
    runs: Runs = {"storm": {"bridge": storms(100)}, "postgresql": {"bridge": storms(150)}}
    (last,) = rows(runs, Size())[-1:]
    assert (last[2], last[3], last[6]) == ("–", "1.50 of SQLite's", "aim")


def test_only_what_was_measured_is_shown() -> None:
    assert rows({"postgresql": {"bridge": storms(150)}}, Size())[0][3] == "–"
    assert rows({}, Size()) == []


def test_every_line_has_a_measurement_and_its_aim_is_beyond_what_holds() -> None:
    assert len({line.work for line in LINES}) == len(LINES) == 23
    assert [line for line in LINES if (line.aim > line.hold) is not line.more_is_better] == []
    assert {line.judged for line in LINES} == set(Judged)


def test_numbers_have_their_digits_and_commas() -> None:
    assert spread([{"MB": 12345.6}], LESS) == "12,346"


def test_a_table_is_markdown_in_a_page_and_aligned_in_a_terminal() -> None:
    listed = rows({"storm": {"bridge": storms(100)}}, Size())
    assert markdown(listed).splitlines()[1] == "|" + " --- |" * 7
    assert {line.count("|") for line in markdown(listed).splitlines()} == {8}
    head, first, *_ = plain(listed).splitlines()
    assert head.index("bridge") == first.index("100")


def test_what_was_lost_or_doubled_is_said_with_where() -> None:
    good = {"lost": 0.0, "doubled": 0.0, "1 a post: refused": 0.0}
    runs: Runs = {"storm": {"bridge": [good, {**good, "lost": 2.0}]}, "ingest": {"alertmanager": [good]}}
    assert faults(runs) == {"storm, bridge: lost": 2}
    assert counted(runs) == "Not everything arrived once: storm, bridge: lost 2."
    assert counted({"storm": {"bridge": [good]}}) == "Nothing was lost, doubled or refused in any run."
