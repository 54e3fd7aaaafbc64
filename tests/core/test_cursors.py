"""Cursors come from callers: one that was issued is accepted, anything else is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.cursors import BadCursor, cursor_of, key_in, kind_of

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=100)


@given(st.integers(-(2**31) + 1, 2**31 - 1), TEXTS, st.datetimes(timezones=st.just(UTC)))
def test_a_key_survives_the_round_trip(number: int, text: str, moment: datetime) -> None:
    cursor = cursor_of("x", number, text, moment)
    assert key_in(cursor, "x", int, str, datetime) == (number, text, moment)
    assert kind_of(cursor) == "x"


def test_a_time_of_any_zone_becomes_utc() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    assert key_in(cursor_of("x", elsewhere), "x", datetime) == (NOON,)


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        key_in(f"{text}:", "x", int)


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", ":1", "y:1", "x:1:2", "x:", "x: 1", "x:+1", "x:1.5", "x:1e3", "x:true", "x:²", "x:٣", "x:2147483648",
        "x:-2147483648", "x:" + "1" * 5000,
    ],
)  # fmt: skip
def test_an_invalid_number_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor):
        key_in(cursor, "x", int)


@pytest.mark.parametrize("text", ["a%00b", "a\0b", "\ud800", "%ed%a0%80", "%ff", "y" * 10_000])
def test_a_text_that_no_database_stores_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        key_in(f"x:{text}", "x", str)


@pytest.mark.parametrize("text", ["", "yesterday", "9" * 20, "-" + "9" * 20, "9" * 21, "253402300800000000"])
def test_an_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        key_in(f"x:{text}", "x", datetime)
