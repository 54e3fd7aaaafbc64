"""Alertmanager's time intervals: when a route is muted or active, and when that changes.

Invariant: every time is an argument with a zone; wall clocks are read in the interval's location, so DST is right.
"""

from __future__ import annotations

import calendar
import functools
import re
import zoneinfo
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

SEARCH_DAYS = 366
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS = tuple(name.lower() for name in calendar.month_name[1:])
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|(24):(00)")


@dataclass(frozen=True, slots=True)
class Range:
    """From begin to end, both included."""

    begin: int
    end: int

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.begin <= number <= self.end


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Minutes of a day from start to end, the end not included; 24:00 is 1440."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """Contains a time if each given field has an element that contains it."""

    times: tuple[TimeRange, ...] = ()
    weekdays: tuple[Range, ...] = ()  #: 0 is Sunday
    days_of_month: tuple[Range, ...] = ()  #: -1 is the last day
    months: tuple[Range, ...] = ()
    years: tuple[Range, ...] = ()
    location: str = "UTC"

    def contains(self, now: datetime) -> bool:
        wall = now.astimezone(zone(self.location))
        return (
            _within(self.years, wall.year)
            and _within(self.months, wall.month)
            and _within(self.weekdays, wall.isoweekday() % 7)
            and self._contains_day(wall)
            and self._contains_minute(wall.hour * 60 + wall.minute)
        )

    def _contains_day(self, wall: datetime) -> bool:
        last = calendar.monthrange(wall.year, wall.month)[1]
        ranges = ((_from_end(r.begin, last), _from_end(r.end, last)) for r in self.days_of_month)
        return not self.days_of_month or any(begin <= wall.day <= end for begin, end in ranges)

    def _contains_minute(self, minute: int) -> bool:
        return not self.times or any(r.start <= minute < r.end for r in self.times)


@dataclass(frozen=True, slots=True)
class NamedIntervals:
    """One entry of time_intervals: it contains a time when one of its intervals does."""

    name: str
    intervals: tuple[TimeInterval, ...]

    def contains(self, now: datetime) -> bool:
        return any(interval.contains(now) for interval in self.intervals)


def muted_by(mute: Iterable[NamedIntervals], active: Iterable[NamedIntervals], now: datetime) -> str | None:
    """Why a route with these intervals is muted now; None when it is not."""
    for named in mute:
        if named.contains(now):
            return f"mute time interval {named.name!r}"
    active = tuple(active)
    if active and not any(named.contains(now) for named in active):
        return "outside active time interval " + " and ".join(repr(named.name) for named in active)
    return None


@functools.lru_cache(maxsize=1024)
def unmuted_at(mute: tuple[NamedIntervals, ...], active: tuple[NamedIntervals, ...], now: datetime) -> datetime | None:
    """The earliest time from now on when the route is not muted; None when not within a year."""
    for moment in _moments(mute + active, now.astimezone(UTC)):
        if muted_by(mute, active, moment) is None:
            return moment
    return None


def _moments(named: tuple[NamedIntervals, ...], now: datetime) -> Iterator[datetime]:
    """Now, and every later time at which one of the intervals may begin or end."""
    yield now
    intervals = [interval for entry in named for interval in entry.intervals]
    minutes_by_location: dict[str, set[int]] = {}
    for interval in intervals:
        minutes = minutes_by_location.setdefault(interval.location, {0})
        minutes.update(minute for r in interval.times for minute in (r.start, r.end))
    for day in range(SEARCH_DAYS):
        begin = now + timedelta(days=day)
        end = begin + timedelta(days=1)
        found = {m for at in minutes_by_location.items() for m in _boundaries(*at, begin, end)}
        yield from sorted(moment for moment in found if begin < moment <= end)


def _boundaries(location: str, minutes: set[int], begin: datetime, end: datetime) -> Iterator[datetime]:
    there = zone(location)
    first, last = begin.astimezone(there), end.astimezone(there)
    if first.utcoffset() != last.utcoffset():  # the clocks change: boundaries may be skipped or come twice
        yield from _every_minute(begin, end)
        return
    for day in (first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days + 1)):
        for minute in minutes:
            yield _instant(day, minute, there)


def _every_minute(begin: datetime, end: datetime) -> Iterator[datetime]:
    moment = begin.replace(second=0, microsecond=0)
    while moment <= end:
        yield moment
        moment += timedelta(minutes=1)


def _instant(day: date, minute: int, there: zoneinfo.ZoneInfo) -> datetime:
    midnight = datetime(day.year, day.month, day.day, tzinfo=there)
    return (midnight + timedelta(minutes=minute)).astimezone(UTC)  # wall-clock arithmetic: same zone


def parse_time_range(start_time: str, end_time: str) -> TimeRange:
    start, end = _minute(start_time), _minute(end_time)
    if start >= end:
        raise ValueError(
            f"start_time {start_time} is not before end_time {end_time}; "
            f"a range over midnight is two: {start_time} to 24:00 and 00:00 to {end_time}"
        )
    return TimeRange(start, end)


def parse_weekdays(text: str) -> Range:
    return _range(text, lambda word: _named(word, WEEKDAYS, 0, "a weekday such as monday"))


def parse_months(text: str) -> Range:
    return _range(text, lambda word: _named(word, MONTHS, 1, "a month such as january or 1"))


def parse_years(text: str) -> Range:
    return _range(text, lambda word: _number(word, 1, 9999, "a year"))


def parse_days_of_month(text: str) -> Range:
    parsed = _split(text, lambda word: _number(word, -31, 31, "a day of the month, 1 to 31 or -31 to -1"))
    begin, end = parsed
    if begin == 0 or end == 0:
        raise ValueError(f"{text!r} has day 0; days count from 1, or back from -1, the last day")
    if begin < 0 < end:
        raise ValueError(f"{text!r} starts from the end of the month, so it must end there: write -5:-1")
    if _from_end(begin, 28) > _from_end(end, 28) and (begin < 0) == (end < 0):
        raise ValueError(f"{text!r} ends before it starts")
    return Range(begin, end)


@functools.cache
def zone(location: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(location)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone named {location!r}; write an IANA name such as Europe/Berlin") from None


def _within(ranges: tuple[Range, ...], number: int) -> bool:
    return not ranges or any(number in r for r in ranges)


def _from_end(day: int, last: int) -> int:
    return day if day > 0 else last + day + 1


def _minute(text: str) -> int:
    if not _CLOCK.fullmatch(text):
        raise ValueError(f"{text!r} is not a time of day; write HH:MM from 00:00 to 24:00")
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _split(text: str, read: Callable[[str], int]) -> tuple[int, int]:
    words = [word.strip() for word in str(text).lower().split(":")]
    if len(words) > 2:
        raise ValueError(f"{text!r} is not a range; write one value or begin:end")
    return read(words[0]), read(words[-1])


def _range(text: str, read: Callable[[str], int]) -> Range:
    begin, end = _split(text, read)
    if begin > end:
        raise ValueError(f"{text!r} ends before it starts; write two ranges instead")
    return Range(begin, end)


def _named(word: str, names: tuple[str, ...], first: int, wanted: str) -> int:
    if word in names:
        return names.index(word) + first
    return _number(word, first, first + len(names) - 1, wanted) if first else _refuse(word, wanted)


def _number(word: str, least: int, most: int, wanted: str) -> int:
    if not re.fullmatch(r"-?\d{1,4}", word) or not least <= int(word) <= most:
        return _refuse(word, wanted)
    return int(word)


def _refuse(word: str, wanted: str) -> int:
    raise ValueError(f"{word!r} is not {wanted}")
