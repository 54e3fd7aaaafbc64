"""When a channel storms, what collapses, and when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.model import Severity
from bridge.core.storms.detection import (
    Storm,
    StormDecision,
    StormLimits,
    cut_off,
    decide,
    follow,
    is_louder,
    update_due,
)
from tests.builders import at

CRITICAL, WARNING, INFO = Severity.CRITICAL.rank, Severity.WARNING.rank, Severity.INFO.rank
LIMITS = StormLimits(1.0)  # 60 messages within the maximum delay
STORM = Storm("slack", 7, WARNING, at(0), at(0), None, at(0), 100, WARNING)


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        (LIMITS, 61),
        (StormLimits(2.0), 121),
        (StormLimits(1.0, timedelta(seconds=5)), 20),
        (StormLimits(0.1, at_least=5), 7),
        (StormLimits(1 / 60, at_least=2), 2),
    ],
)
def test_a_storm_exceeds_the_rate_over_the_maximum_delay_and_a_minimum(limits: StormLimits, count: int) -> None:
    assert limits.begins_at == count
    assert (cut_off({WARNING: count - 1}, limits), cut_off({WARNING: count}, limits)) == (None, WARNING)


@pytest.mark.parametrize(
    ("waiting", "rank"),
    [
        pytest.param({}, None, id="nothing waits"),
        pytest.param({CRITICAL: 30, WARNING: 30}, None, id="all can be notified in time"),
        pytest.param({CRITICAL: 30, WARNING: 31}, WARNING, id="the criticals can, the warnings cannot"),
        pytest.param({CRITICAL: 60, WARNING: 4000}, WARNING, id="exactly as many criticals as can be notified"),
        pytest.param({CRITICAL: 61, WARNING: 4000}, CRITICAL, id="the criticals alone are too many"),
        pytest.param({CRITICAL: 5, WARNING: 20, INFO: 5000}, INFO, id="only what is least severe collapses"),
    ],
)
def test_the_least_severe_collapses_first(waiting: Mapping[int, int], rank: int | None) -> None:
    assert cut_off(waiting, LIMITS) == rank


@given(st.dictionaries(st.integers(0, 4), st.integers(0, 500)), st.floats(0.01, 50), st.integers(2, 100))
def test_the_incidents_that_stay_are_no_storm_and_one_rank_more_would_be(
    waiting: dict[int, int], per_second: float, at_least: int
) -> None:
    limits = StormLimits(per_second, at_least=at_least)
    rank = cut_off(waiting, limits)
    assert limits.begins_at > sum(count for each, count in waiting.items() if rank is None or each < rank)
    assert rank is None or limits.begins_at <= sum(count for each, count in waiting.items() if each <= rank)


def test_a_storm_begins_with_its_reason() -> None:
    decision = decide(None, {CRITICAL: 5, WARNING: 4295}, LIMITS, at(0))
    assert decision.rank == WARNING
    assert decision.because == "4,300 messages waited, which take 1 h 11 min at its rate (maximum delay 1 min)"
    assert decide(None, {CRITICAL: 5}, LIMITS, at(0)) == StormDecision(
        None, None, "5 messages waited, which take 5 s at its rate (maximum delay 1 min)"
    )


def test_more_severe_incidents_collapse_at_once_and_end_the_quiet_period() -> None:
    quiet = replace(STORM, quiet_since=at(30))
    decision = decide(quiet, {CRITICAL: 100, WARNING: 500}, LIMITS, at(40))
    assert (decision.rank, decision.quiet_since) == (CRITICAL, None)
    same = decide(quiet, {WARNING: 61}, LIMITS, at(40))
    assert (same.rank, same.quiet_since) == (WARNING, None)


def test_fewer_incidents_collapse_only_after_the_quiet_period() -> None:
    first = decide(STORM, {INFO: 500}, LIMITS, at(100))
    assert (first.rank, first.quiet_since) == (WARNING, at(100))
    quiet = replace(STORM, quiet_since=at(100))
    assert decide(quiet, {INFO: 500}, LIMITS, at(159)) == StormDecision(WARNING, at(100))
    assert decide(quiet, {INFO: 500}, LIMITS, at(160)).rank == INFO


def test_a_storm_ends_after_a_quiet_period_in_which_all_could_be_notified() -> None:
    quiet = replace(STORM, quiet_since=at(100))
    assert decide(quiet, {WARNING: 60}, LIMITS, at(159)).rank == WARNING
    over = decide(quiet, {WARNING: 60}, LIMITS, at(160))
    assert over == StormDecision(None, None, "for 1 min, what waited could have been sent within 1 min")


def test_a_storm_without_limits_ends_at_once() -> None:
    assert decide(STORM, {WARNING: 5000}, None, at(1)).rank is None


@pytest.mark.parametrize(
    ("updated", "now", "due"),
    [(0, 4, False), (0, 5, True), (5, 9, False), (5, 10, True), (20, 39, False), (20, 40, True), (300, 330, True)],
)
def test_updates_of_the_digest_become_less_frequent(updated: int, now: int, due: bool) -> None:
    assert update_due(replace(STORM, updated_at=at(updated)), LIMITS, at(now)) == due
    assert not update_due(replace(STORM, updated_at=at(300)), LIMITS, at(329))


@pytest.mark.parametrize(
    ("count", "rank", "loud"),
    [(150, WARNING, False), (999, WARNING, False), (1000, WARNING, True), (90, CRITICAL, True), (0, CRITICAL, False)],
)
def test_a_higher_severity_or_ten_times_as_many_incidents_are_loud(count: int, rank: int, loud: bool) -> None:
    assert is_louder(STORM, count, rank) == loud


def test_the_digest_is_due_at_once_when_more_severe_incidents_collapse() -> None:
    tighter = follow(replace(STORM, updated_at=at(90)), StormDecision(CRITICAL), at(91))
    assert (tighter.rank, tighter.tightened_at) == (CRITICAL, at(91))
    assert update_due(tighter, LIMITS, at(91))
    looser = follow(tighter, StormDecision(INFO), at(200))
    assert (looser.rank, looser.tightened_at) == (INFO, at(91))
