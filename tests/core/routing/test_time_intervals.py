"""Time intervals: what is inside according to Alertmanager, and when muting ends, clock changes included."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.routing import time_intervals as ti
from bridge.core.routing.time_intervals import NamedIntervals, TimeInterval, muted_by, unmuted_at


def at(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def interval(
    *,
    times: Sequence[str] = (),
    weekdays: Sequence[str] = (),
    days_of_month: Sequence[str] = (),
    months: Sequence[str] = (),
    years: Sequence[str] = (),
    location: str = "UTC",
) -> TimeInterval:
    return TimeInterval(
        times=tuple(ti.parse_time_range(*text.split("-")) for text in times),
        weekdays=tuple(map(ti.parse_weekdays, weekdays)),
        days_of_month=tuple(map(ti.parse_days_of_month, days_of_month)),
        months=tuple(map(ti.parse_months, months)),
        years=tuple(map(ti.parse_years, years)),
        location=location,
    )


def named(*intervals: TimeInterval) -> tuple[NamedIntervals, ...]:
    return (NamedIntervals("quiet", intervals),)


BERLIN_NIGHT = interval(times=["22:00-24:00", "00:00-07:00"], location="Europe/Berlin")


@pytest.mark.parametrize(
    ("given_interval", "time", "expected"),
    [
        pytest.param(interval(), "2026-01-01T00:00", True, id="an empty interval is always"),
        pytest.param(interval(times=["09:00-17:00"]), "2026-01-01T09:00", True, id="start is inside"),
        pytest.param(interval(times=["09:00-17:00"]), "2026-01-01T16:59:59", True, id="last second"),
        pytest.param(interval(times=["09:00-17:00"]), "2026-01-01T17:00", False, id="end is outside"),
        pytest.param(interval(times=["22:00-24:00"]), "2026-01-01T23:59", True, id="24:00 is the end of the day"),
        pytest.param(interval(weekdays=["monday:friday"]), "2026-11-23T00:00", True, id="monday"),
        pytest.param(interval(weekdays=["monday:friday"]), "2026-11-22T00:00", False, id="sunday is day 0"),
        pytest.param(interval(weekdays=["sunday:monday"]), "2026-11-22T00:00", True, id="sunday comes first"),
        pytest.param(interval(weekdays=["Saturday"]), "2026-11-21T00:00", True, id="letter case does not matter"),
        pytest.param(interval(days_of_month=["-1"]), "2026-02-28T12:00", True, id="last day of February"),
        pytest.param(interval(days_of_month=["-1"]), "2028-02-28T12:00", False, id="leap year"),
        pytest.param(interval(days_of_month=["-3:-1"]), "2026-04-28T12:00", True, id="last three days"),
        pytest.param(interval(days_of_month=["1:-2"]), "2026-04-30T12:00", False, id="all but the last"),
        pytest.param(interval(days_of_month=["29:31"]), "2026-02-28T12:00", False, id="days that are not there"),
        pytest.param(interval(months=["january:march"]), "2026-03-31T23:59", True, id="month names"),
        pytest.param(interval(months=["5:8"]), "2026-09-01T00:00", False, id="month numbers"),
        pytest.param(interval(years=["2026:2027"]), "2027-12-31T23:59", True, id="years"),
        pytest.param(interval(years=["2026"]), "2027-01-01T00:00", False, id="one year"),
        pytest.param(
            interval(weekdays=["monday"], location="Asia/Tokyo"),
            "2026-11-22T15:00",
            True,
            id="Tokyo is ahead",
        ),
        pytest.param(BERLIN_NIGHT, "2026-11-23T21:00", True, id="Berlin's winter night"),
        pytest.param(BERLIN_NIGHT, "2026-07-01T20:00", True, id="Berlin's summer night"),
    ],
)
def test_an_interval_contains_a_time(given_interval: TimeInterval, time: str, expected: bool) -> None:
    assert given_interval.contains(at(time)) == expected


@pytest.mark.parametrize(
    ("mute", "active", "now", "expected"),
    [
        pytest.param(named(BERLIN_NIGHT), (), "2026-11-23T12:00", "2026-11-23T12:00", id="not muted: now"),
        pytest.param(named(BERLIN_NIGHT), (), "2026-11-23T22:30", "2026-11-24T06:00", id="in the morning"),
        pytest.param(
            named(BERLIN_NIGHT),
            (),
            "2026-03-28T22:30",
            "2026-03-29T05:00",
            id="the night loses an hour in spring",
        ),
        pytest.param(
            named(BERLIN_NIGHT),
            (),
            "2026-10-24T22:30",
            "2026-10-25T06:00",
            id="the night gains an hour in autumn",
        ),
        pytest.param(
            named(interval(times=["02:00-03:00"], location="Europe/Berlin")),
            (),
            "2026-10-25T00:30",
            "2026-10-25T02:00",
            id="an hour that comes twice is muted twice",
        ),
        pytest.param(
            (),
            named(interval(times=["02:30-02:45"], location="Europe/Berlin")),
            "2026-03-28T03:00",
            "2026-03-30T00:30",
            id="a time that does not come is waited for until the next day",
        ),
        pytest.param(
            (),
            named(interval(weekdays=["monday:friday"], times=["09:00-17:00"], location="America/New_York")),
            "2026-11-21T12:00",
            "2026-11-23T14:00",
            id="after the weekend",
        ),
        pytest.param(
            named(interval(days_of_month=["1:-2"])),
            (),
            "2026-02-03T10:00",
            "2026-02-28T00:00",
            id="last of month",
        ),
        pytest.param(
            named(interval(times=["00:00-12:00"])),
            named(interval(times=["06:00-18:00"])),
            "2026-11-23T01:00",
            "2026-11-23T12:00",
            id="neither mute nor outside active",
        ),
        pytest.param(named(interval()), (), "2026-11-23T01:00", None, id="never"),
        pytest.param((), named(interval(years=["2020"])), "2026-11-23T01:00", None, id="active in the past only"),
    ],
)
def test_the_time_of_unmuting(
    mute: tuple[NamedIntervals, ...], active: tuple[NamedIntervals, ...], now: str, expected: str | None
) -> None:
    assert unmuted_at(mute, active, at(now)) == (at(expected) if expected else None)


def test_the_reason_for_muting_names_the_interval() -> None:
    assert muted_by(named(interval()), (), at("2026-01-01")) == "mute time interval 'quiet'"
    assert muted_by((), named(interval(years=["2020"])), at("2026-01-01")) == "outside active time interval 'quiet'"
    assert muted_by((), (), at("2026-01-01")) is None


CLOCKS = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda t: t[0] < t[1])
INTERVALS = st.builds(
    TimeInterval,
    times=st.lists(st.builds(lambda t: ti.TimeRange(*t), CLOCKS), max_size=2).map(tuple),
    weekdays=st.sampled_from([(), (ti.Range(0, 2),), (ti.Range(5, 6), ti.Range(0, 0))]),
    location=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
TIMES = st.integers(0, 1_007_000).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))
CHANGES = st.sampled_from(["2026-03-28T20:00", "2026-10-24T21:07", "2026-04-04T10:00", "2026-11-01T01:11"]).map(at)


@settings(max_examples=60)
@given(st.lists(INTERVALS, max_size=2), st.lists(INTERVALS, max_size=2), st.one_of(TIMES, CHANGES))
def test_the_time_of_unmuting_agrees_with_checking_every_minute(
    mute: list[TimeInterval], active: list[TimeInterval], now: datetime
) -> None:
    mute_named = named(*mute) if mute else ()
    active_named = named(*active) if active else ()
    minute = now.replace(second=0, microsecond=0)
    moments = [now, *(minute + timedelta(minutes=n) for n in range(1, 3 * 24 * 60))]
    expected = next((m for m in moments if muted_by(mute_named, active_named, m) is None), None)
    found = unmuted_at(mute_named, active_named, now)
    assert found == expected or (expected is None and (found is None or found > moments[-1]))


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (ti.parse_weekdays, "mon", "'mon' is not a weekday"),
        (ti.parse_weekdays, "saturday:monday", "write two ranges"),
        (ti.parse_months, "13", "'13' is not a month"),
        (ti.parse_months, "may:june:july", "is not a range"),
        (ti.parse_days_of_month, "0", "days count from 1"),
        (ti.parse_days_of_month, "-3:5", "starts from the end"),
        (ti.parse_days_of_month, "7:3", "ends before it starts"),
        (ti.parse_days_of_month, "32", "1 to 31"),
        (ti.parse_years, "soon", "is not a year"),
        (ti.zone, "Europe/Berln", "write an IANA name"),
        (ti.zone, "../etc/passwd", "write an IANA name"),
        (lambda text: ti.parse_time_range(*text.split("-")), "22:00-06:00", "a range over midnight is two"),
        (lambda text: ti.parse_time_range(*text.split("-")), "9:00-17:00", "write HH:MM"),
        (lambda text: ti.parse_time_range(*text.split("-")), "09:00-24:01", "write HH:MM"),
    ],
)
def test_an_invalid_interval_is_explained(read: Callable[[str], object], text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(text)
