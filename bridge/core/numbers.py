"""Numbers and times for users: `7.3 %`, `412 ms`, `1.6 GB`, `3 min ago`. The one place for it."""

from __future__ import annotations

import math
from datetime import timedelta

from bridge.core.facts import Fact, Unit

_UNREADABLE = 1e15
_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")


def shown(value: float, unit: Unit) -> str:
    """Two or three significant digits, and the unit."""
    if not math.isfinite(value):
        return "unknown"
    match unit:
        case Unit.RATIO:
            return f"{_digits(value * 100)} %"
        case Unit.SECONDS:
            return _seconds(value)
        case Unit.BYTES:
            return _bytes(value)
        case Unit.PER_SECOND:
            return f"{_digits(value)}/s"
        case Unit.COUNT:
            return f"{round(value):,}" if abs(value) < _UNREADABLE else _digits(value)
    return _digits(value)


def measured(fact: Fact) -> str:
    """`7.3 %`, or `2 of 3`; nothing where only its parts mean something."""
    if fact.value is None:
        return ""
    text = shown(fact.value, fact.unit)
    return text if fact.of is None else f"{text} of {shown(fact.of, fact.unit)}"


def times(factor: float) -> str:
    """`11 x`, `2.5 x`."""
    return f"{_digits(factor)} x"


def in_words(time: timedelta) -> str:
    """`45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    seconds = max(0, int(time.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return _two(hours, "h", minutes % 60, "min")
    return _two(days, "d", hours % 24, "h")


def ago(time: timedelta) -> str:
    """`just now` for less than ten seconds, then `3 min ago`."""
    return "just now" if time < timedelta(seconds=10) else f"{in_words(time)} ago"


def _digits(value: float) -> str:
    """Whole above ten, two digits below: `1,240`, `94`, `7.3`, `0.42`, `0.0031`; 1e+18 only if huge."""
    size = abs(value)
    if size >= _UNREADABLE:
        return f"{value:.2g}"
    if size >= 9.95:
        return f"{value:,.0f}"
    if size >= 0.995:
        return f"{value:.1f}".removesuffix(".0")
    if size < 0.00005:
        return "0"
    places = 1 - math.floor(math.log10(size))
    return f"{value:.{places}f}".rstrip("0").rstrip(".")


def _seconds(value: float) -> str:
    if abs(value) < 0.9995:
        return f"{_digits(value * 1000)} ms"
    if abs(value) < 59.5 or abs(value) >= _UNREADABLE / 1e3:
        return f"{_digits(value)} s"
    return f"{'-' if value < 0 else ''}{in_words(timedelta(seconds=round(abs(value))))}"


def _bytes(value: float) -> str:
    step = 0
    while abs(value) >= 999.5 and step < len(_BYTES) - 1:
        value, step = value / 1000, step + 1
    return f"{_digits(value)} {_BYTES[step]}"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit}" + (f" {small} {small_unit}" if small else "")
