"""Numbers, factors, durations and ages in readable form."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.facts import Unit
from bridge.core.numbers import ago, in_words, shown, times


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.073, Unit.RATIO, "7.3 %"),
        (0.5, Unit.RATIO, "50 %"),
        (1.0, Unit.RATIO, "100 %"),
        (0.0021, Unit.RATIO, "0.21 %"),
        (0.0995, Unit.RATIO, "10 %"),
        (0.0, Unit.RATIO, "0 %"),
        (1e-9, Unit.RATIO, "0 %"),
        (-0.02, Unit.RATIO, "-2 %"),
        (0.412, Unit.SECONDS, "412 ms"),
        (0.0004, Unit.SECONDS, "0.4 ms"),
        (0.9999, Unit.SECONDS, "1 s"),
        (2.5, Unit.SECONDS, "2.5 s"),
        (59.6, Unit.SECONDS, "1 min"),
        (90, Unit.SECONDS, "1 min"),
        (7260, Unit.SECONDS, "2 h 1 min"),
        (-120, Unit.SECONDS, "-2 min"),
        (1.62e9, Unit.BYTES, "1.6 GB"),
        (999.6, Unit.BYTES, "1 kB"),
        (512, Unit.BYTES, "512 B"),
        (39.7, Unit.PER_SECOND, "40/s"),
        (0.42, Unit.PER_SECOND, "0.42/s"),
        (1234567, Unit.COUNT, "1,234,567"),
        (0.31, Unit.NUMBER, "0.31"),
        (0.0031, Unit.NUMBER, "0.0031"),
        (1240, Unit.NUMBER, "1,240"),
    ],
)
def test_a_number_has_its_significant_digits_and_unit(value: float, unit: Unit, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_infinity_and_nan_are_unknown(value: float, unit: Unit) -> None:
    assert shown(value, unit) == "unknown"


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(Unit))
def test_every_number_is_short(value: float, unit: Unit) -> None:
    assert len(shown(value, unit)) <= 32


@pytest.mark.parametrize(("factor", "text"), [(11.2, "11 x"), (2.5, "2.5 x"), (3, "3 x")])
def test_factors(factor: float, text: str) -> None:
    assert times(factor) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (45, "45 s"), (61, "1 min"), (12_000, "3 h 20 min"), (10_800, "3 h"), (187_200, "2 d 4 h")],
)
def test_durations_have_two_units_at_most(seconds: int, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(("seconds", "words"), [(3, "just now"), (10, "10 s ago"), (200, "3 min ago")])
def test_ages(seconds: int, words: str) -> None:
    assert ago(timedelta(seconds=seconds)) == words
