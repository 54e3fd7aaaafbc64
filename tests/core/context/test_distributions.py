"""Histograms now and in training become bins that can be compared."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.context.distributions import MAX_BINS, Bin, bins_of, largest_difference
from bridge.core.context.enrichment import Sample
from tests.builders import NOON


def samples(values: dict[str, float], label: str = "le") -> list[Sample]:
    return [Sample({label: bound}, value, NOON) for bound, value in values.items()]


def test_counts_and_a_cdf_become_shares_of_the_same_bins() -> None:
    now = samples({"0.5": 10, "0.9": 40, "1.0": 50, "+Inf": 50})
    training = samples({"0.5": 0.1, "0.9": 0.3, "1.0": 1.0}, "upper")
    expected = (Bin(-math.inf, 0.5, 0.2, 0.1), Bin(0.5, 0.9, 0.6, 0.2), Bin(0.9, 1.0, 0.2, 0.7))
    found = bins_of(now, training, "upper")
    assert [(each.above, each.up_to) for each in expected] == [(each.above, each.up_to) for each in found]
    assert [each.share for each in expected] == pytest.approx([each.share for each in found])
    assert [each.baseline for each in expected] == pytest.approx([each.baseline for each in found])
    assert largest_difference(found) == pytest.approx(0.5)


def test_only_bounds_that_both_have_are_compared() -> None:
    found = bins_of(samples({"1": 1, "2": 2, "3": 3, "+Inf": 4}), samples({"2": 5, "+Inf": 10}))
    assert (Bin(-math.inf, 2.0, 0.5, 0.5), Bin(2.0, math.inf, 0.5, 0.5)) == found


def test_without_a_baseline_there_are_bins_and_no_difference() -> None:
    found = bins_of(samples({"1": 1, "+Inf": 2}))
    assert [each.baseline for each in found] == [None, None]
    assert largest_difference(found) == 0.0


@pytest.mark.parametrize(
    "now",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"1": 0.0, "+Inf": 0.0}, id="no traffic"),
        pytest.param({"1": math.nan, "+Inf": math.inf}, id="no numbers"),
        pytest.param({"many": 1.0, "nan": 2.0}, id="no bounds"),
        pytest.param({"1": -1.0}, id="negative"),
    ],
)
def test_where_nothing_was_measured_there_are_no_bins(now: dict[str, float]) -> None:
    assert bins_of(samples(now), samples({"1": 1, "+Inf": 1})) == ()


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=60), st.lists(st.floats(0, 1e9), min_size=1, max_size=60))
def test_shares_add_up_to_the_whole_whatever_was_counted(now: list[float], usual: list[float]) -> None:
    counted, usually = (samples({str(at): value for at, value in enumerate(counts)}) for counts in (now, usual))
    bins = bins_of(counted, usually)
    assert len(bins) <= MAX_BINS + 1
    if bins:
        assert sum(each.share for each in bins) == pytest.approx(1.0)
        assert all(each.share >= 0 for each in bins)
        assert -1e-6 <= largest_difference(bins) <= 1 + 1e-6
