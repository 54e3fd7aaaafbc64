"""Axes have few, round, distinct labels, and include every value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.charts.scales import thinned, time_ticks, value_axis
from bridge.core.facts import Unit


@pytest.mark.parametrize(
    ("values", "unit", "labels"),
    [
        pytest.param([0.1, 0.5], Unit.RATIO, ("0 %", "20 %", "40 %", "60 %"), id="ratio"),
        pytest.param([0.09, 0.6], Unit.SECONDS, ("0 ms", "200 ms", "400 ms", "600 ms", "800 ms"), id="milliseconds"),
        pytest.param([0, 7300], Unit.SECONDS, ("0 ms", "1 h", "2 h", "3 h"), id="hours"),
        pytest.param([5, 5], Unit.COUNT, ("4", "5", "6"), id="flat"),
        pytest.param([0, 0], Unit.COUNT, ("0", "1"), id="nothing"),
        pytest.param([0, 2], Unit.COUNT, ("0", "1", "2", "3"), id="whole"),
    ],
)
def test_axis_labels_are_round(values: list[float], unit: Unit, labels: tuple[str, ...]) -> None:
    assert value_axis(values, unit).labels == labels


NUMBERS = st.floats(min_value=-1e15, max_value=1e15).filter(lambda value: not value or abs(value) > 1e-3)


@given(values=st.lists(NUMBERS, min_size=1, max_size=9), unit=st.sampled_from(Unit))
def test_the_axis_includes_every_value_and_labels_every_tick(values: list[float], unit: Unit) -> None:
    axis = value_axis(values, unit)
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert axis.low - slack <= min(values) <= max(values) <= axis.high + slack
    assert axis.low < axis.high
    assert 2 <= len(axis.ticks) <= 5
    assert len(axis.labels) == len(axis.ticks)
    assert all(len(text) <= 12 for text in axis.labels)


@pytest.mark.parametrize(("minutes", "ticks"), [(0, 1), (10, 6), (130, 4), (300, 6), (1440, 5)])
def test_times_are_round_and_few(minutes: int, ticks: int) -> None:
    start = 1_772_366_400.0 + 120 * (minutes == 130)
    found = time_ticks(start, start + minutes * 60)
    assert len(found) == ticks
    assert all(moment % 60 == 0 for moment in found)


@given(st.lists(st.floats(-1e6, 1e6), max_size=5000))
def test_thinning_keeps_every_peak(values: list[float]) -> None:
    points = [(float(at), value) for at, value in enumerate(values)]
    kept = thinned(points, 100)
    assert len(kept) <= 100
    assert kept == sorted(kept)
    if values:
        assert (min(values), max(values)) == (min(y for _, y in kept), max(y for _, y in kept))
