"""Whatever a service does, nothing is claimed that the counts do not bear."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bridge.core.context.causes import decide
from bridge.core.context.counts import MIN_ALL, MIN_BAD, Counts, worse
from bridge.core.context.evidence import evidence_of
from bridge.core.context.histories import History
from bridge.core.context.history_facts import facts_of, without_false_comfort
from bridge.core.context.questions import HISTORIES, Question
from bridge.core.context.series import Series
from bridge.core.facts import ChangeEvent, Confidence, Unit
from tests.core.context.worlds import MINUTE, Pod, World, a_change, from_minute, seconds, time

ratios = st.floats(0, 0.9)
rates = st.sampled_from([0.02, 0.2, 1.0, 4.0])
minutes = st.integers(-30, 0)
versions = st.lists(st.tuples(st.integers(-60, 0), st.sampled_from(["1.0.0", "1.1.0", "2.0.0"])), max_size=2)
kinds = st.sampled_from(["deploy", "rollback", "retraining", "config"])
changes = st.lists(
    st.builds(a_change, kinds, st.integers(-120, 2), st.sampled_from(["1.0.0", "1.1.0", "2.0.0"])), max_size=3
)
QUICK = settings(max_examples=40, deadline=None, derandomize=True)


def a_pod(name: str, served: Sequence[tuple[int, str]], rate: float, ratio: float, since: int) -> Pod:
    known = ((-1000.0, "1.0.0"), *sorted((float(at), version) for at, version in served))
    return Pod(name, known, from_minute(since, ratio), lambda minute: rate)


pods = st.lists(st.tuples(versions, rates, ratios, minutes), min_size=1, max_size=4).map(
    lambda many: [a_pod(f"api-{index}", *each) for index, each in enumerate(many)]
)
worlds = st.builds(
    World, pods, changes=changes, role=st.sampled_from(["failures", "slowness", "outputs", ""]), seed=st.none(),
    labelled=st.booleans(), changes_known=st.booleans(), since=st.sampled_from([-180.0, -8.0]),
)  # fmt: skip


@QUICK
@given(worlds)
def test_a_likely_cause_has_counts_or_a_known_onset(world: World) -> None:
    decision = world.decision()
    found = decision.hypothesis
    if found is None or found.confidence is not Confidence.LIKELY:
        return
    assert decision.onset is not None or " against " in found.text or "restarted" in found.text
    assert found.evidence and found.text.endswith(".")


@QUICK
@given(worlds)
def test_a_rollback_or_a_retraining_is_never_the_cause(world: World) -> None:
    alone = replace(world, changes=[c for c in world.changes if c.kind in ("rollback", "retraining")])
    found = alone.decision().hypothesis
    assert found is None or found.rule != "change_at_onset"


@QUICK
@given(st.lists(rates, min_size=2, max_size=4), st.floats(0.02, 0.9), minutes, st.integers(1, 3))
def test_errors_in_proportion_to_the_traffic_name_no_version_and_no_pod(
    shares: list[float], ratio: float, since: int, newer: int
) -> None:
    served = [[(-100, "2.0.0")] if index < newer else [] for index in range(len(shares))]
    every = [a_pod(f"api-{index}", served[index], share, ratio, since) for index, share in enumerate(shares)]
    found = World(every, seed=None, changes=[a_change("deploy", -100, "2.0.0")]).decision().hypothesis
    assert found is None, found.text


@QUICK
@given(pods, st.integers(0, 7))
def test_nothing_is_said_of_few(every: list[Pod], stray: int) -> None:
    quiet = [replace(pod, a_second=lambda minute: 0.005) for pod in every]
    bad = [replace(pod, bad=lambda minute, version: 0.5 if minute > -stray else 0.0) for pod in quiet]
    assert World(bad, seed=None).decision().hypothesis is None


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 1e4))
def test_one_is_worse_only_with_enough_of_both_and_never_both_ways(a: float, b: float, c: float, d: float) -> None:
    one, other = Counts(min(a, b), b), Counts(min(c, d), d)
    assert not (worse(one, other) and worse(other, one))
    if worse(one, other):
        assert one.bad >= MIN_BAD and min(one.all, other.all) >= MIN_ALL and one.ratio > other.ratio


names = st.sampled_from(["a", "b", ""])
values = st.one_of(st.floats(-1, 50), st.sampled_from([math.nan, math.inf, -math.inf, 0.0]))
moments = st.integers(-200, 30).map(lambda minute: seconds(minute))
points = st.lists(st.tuples(moments, values), max_size=30).map(lambda each: tuple(sorted(dict(each).items())))
labels = st.fixed_dictionaries({"pod": names, "version": names}, optional={"job": names, "language": names})
some_series = st.lists(st.builds(Series, labels, points), max_size=4).map(tuple)
histories = st.builds(
    lambda role, by, *both: History(Question(role, role, Unit.RATIO, "x", by, role=role), MINUTE, *both),
    st.sampled_from(HISTORIES), st.sampled_from([None, "language"]), some_series, some_series,
)  # fmt: skip


@settings(max_examples=200, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(histories, max_size=6), changes, some_series)
def test_whatever_prometheus_answers_it_is_read(
    known: list[History], reported: list[ChangeEvent], own: tuple[Series, ...]
) -> None:
    cases = evidence_of(
        (), reported, known, (time(0), time(10)), window=timedelta(hours=2), changes_known=True,
        alerts=[{"job": "a"}], expression=own,
    )  # fmt: skip
    decide(cases)
    shown = [fact for each in known for fact in facts_of(each, cases)]
    without_false_comfort(shown, cases[0])
    assert all(math.isfinite(fact.value) for fact in shown if fact.value is not None)
