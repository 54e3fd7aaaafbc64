"""What was measured while it fired, its worst, and what came after the end."""

from __future__ import annotations

from dataclasses import replace

from bridge.core.context.measurements import Measured, as_of, merged
from bridge.core.facts import AfterEnd, Context, Fact, Unit, Verdict
from tests.builders import at


def measured(
    seconds: float, value: float, *, why: str = "above 5 %", bad: bool = True, less_is_worse: bool = False
) -> Context:
    verdict = Verdict.BAD if bad else Verdict.GOOD
    fact = Fact("failed", "Failed", Unit.RATIO, value, at(seconds), (), (), verdict, why, less_is_worse=less_is_worse)
    return Context(at(seconds), (fact,))


def values(known: Measured) -> list[float | None]:
    return [fact.value for fact in known.peaks]


def test_the_last_while_it_fired_and_the_worst_stay_when_it_is_over() -> None:
    known = Measured()
    for each in (measured(10, 0.3), measured(20, 0.9), measured(30, 0.2)):
        known = merged(known, each, at(0), None)
    last = measured(50, 0.0, why="", bad=False)
    known = merged(known, last, at(0), at(40))
    assert (last, measured(30, 0.2)) == (known.newest, known.fired) and values(known) == [0.9]
    told = as_of(known, at(0), at(40))
    assert isinstance(told, AfterEnd) and told.during == measured(30, 0.2)
    assert [fact.value for fact in told.peaks] == [0.9]


def test_the_worst_of_what_is_bad_below_a_bound_is_the_least() -> None:
    known = Measured()
    for value in (0.4, 0.1, 0.3):
        known = merged(known, measured(10 + value, value, why="below 50 %", less_is_worse=True), at(0), None)
    assert values(known) == [0.1]


def test_another_outbreak_begins_anew() -> None:
    known = merged(Measured(), measured(10, 0.9), at(0), None)
    known = merged(known, measured(110, 0.1), at(100), None)
    assert values(known) == [0.1]


def test_an_older_one_replaces_nothing() -> None:
    known = merged(merged(Measured(), measured(20, 0.2), at(0), None), measured(10, 0.1), at(0), None)
    assert measured(20, 0.2) == known.newest == known.fired


def test_what_was_not_kept_is_not_made_up() -> None:
    """Of an older version: the newest alone, which says when it is of."""
    after = as_of(Measured(measured(50, 0.0)), at(0), at(40))
    assert after == AfterEnd(measured(50, 0.0))
    before = Measured(measured(30, 0.2))
    assert before.newest == as_of(before, at(0), at(40)) == as_of(before, at(0), None)
    late = replace(before, newest=measured(60, 0.0), fired=measured(45, 0.1))
    told = as_of(late, at(0), at(40))
    assert isinstance(told, AfterEnd) and told.during is None


def test_what_was_measured_between_the_end_and_its_webhook_hides_nothing() -> None:
    """Alertmanager tells of an end by up to a group_interval later; whoever acknowledges then has it measured."""
    known = merged(merged(Measured(), measured(10, 0.4), at(0), None), measured(45, 0.0, bad=False), at(0), None)
    told = as_of(merged(known, measured(60, 0.0, bad=False), at(0), at(40)), at(0), at(40))
    assert isinstance(told, AfterEnd) and told.during == measured(10, 0.4)


def test_of_a_measurement_that_ended_late_the_values_of_before_the_end_stay() -> None:
    slow = replace(measured(30, 0.4), at=at(41))
    told = as_of(merged(merged(Measured(), slow, at(0), None), measured(60, 0.0), at(0), at(40)), at(0), at(40))
    assert isinstance(told, AfterEnd) and told.during == measured(30, 0.4)


def test_one_that_found_nothing_out_replaces_none_that_did() -> None:
    silent = Context(at(30))
    known = merged(merged(Measured(), measured(10, 0.4), at(0), None), silent, at(0), None)
    assert silent == known.newest and measured(10, 0.4) == known.fired == as_of(known, at(0), at(40))
    assert measured(50, 0.5) == merged(known, measured(50, 0.5), at(0), None).fired
    assert silent == merged(Measured(), silent, at(0), None).fired


def test_the_peaks_of_an_outbreak_are_none_of_the_next_one() -> None:
    known = replace(merged(Measured(), measured(10, 0.4), at(0), None), newest=measured(130, 0.0))
    told = as_of(known, at(100), at(120))
    assert isinstance(told, AfterEnd) and told.during is None and told.peaks == ()


def test_what_was_measured_in_an_outbreak_before_is_not_shown_as_this_ones() -> None:
    """It came back while its route was mute, so nothing was measured for a message."""
    known = merged(merged(Measured(), measured(10, 0.4), at(0), None), measured(50, 0.0), at(0), at(40))
    assert as_of(known, at(500), None) is None and as_of(known, at(500), at(600)) is None
    assert as_of(known, at(51), None) == known.newest  # by a worker whose clock is behind
