"""What happened the last times, as texts: cleaned and shortened, but not escaped."""

from __future__ import annotations

from datetime import timedelta

from bridge.core.changes import summary_of
from bridge.core.facts import ChangeEvent
from bridge.core.numbers import in_words
from bridge.core.recurrence import Earlier, Recurrence
from bridge.rendering.text import beside, cut, one_line

MAX_SUBJECT = 100
MAX_NAME = 60
MAX_SUMMARY = 80


def last_time(recurrence: Recurrence | None) -> str:
    """`4th in 30 days; last #388, 23 min, ended after rollback to 1.0.0 (Ana)`; empty when it never happened before."""
    if recurrence is None or not recurrence.earlier:
        return ""
    subject = f"{beside(cut(one_line(recurrence.subject), MAX_SUBJECT))}: " if recurrence.subject else ""
    last = recurrence.earlier[0]
    ending = f", {how_it_ended(last)}" if how_it_ended(last) else ""
    return f"{subject}{how_often(recurrence)}; last #{last.number}, {lasted(last)}{ending}"


def how_often(recurrence: Recurrence) -> str:
    """`4th in 30 days`."""
    times = f"more than {recurrence.count - 1:,}" if recurrence.at_least else _ordinal(recurrence.count)
    return f"{times} in {_days(recurrence.window)}"


def lasted(earlier: Earlier) -> str:
    """`23 min`."""
    return earlier.period.lasted(earlier.period.ended_at or earlier.period.started_at)


def how_it_ended(earlier: Earlier) -> str:
    """`ended after rollback to 1.0.0 (Ana)`, `resolved by Ben`; empty when only its alerts ended."""
    user = f"resolved by {_name(earlier.resolved_by)}" if earlier.resolved_by else ""
    change = earlier.change
    return f"{user or 'ended'} after {_what(change)}{_by(change)}" if change is not None else user


def _what(change: ChangeEvent) -> str:
    version = _name(change.version)
    match change.kind:
        case "deploy":
            return f"deploy of {version}" if version else "a deploy"
        case "rollback":
            return f"rollback to {version}" if version else "a rollback"
    kind, summary = "config change" if change.kind == "config" else _name(change.kind), one_line(change.summary)
    said = summary != one_line(summary_of(change.kind, change.service, change.version, change.previous))
    return f"{kind}: {cut(summary, MAX_SUMMARY)}" if summary and said else kind


def _by(change: ChangeEvent) -> str:
    return f" ({_name(change.by)})" if change.by else ""


def _ordinal(count: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st, 1,002nd."""
    ending = "th" if count % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count:,}{ending}"


def _days(window: timedelta) -> str:
    return f"{window.days} days" if window >= timedelta(days=2) else in_words(window)


def _name(text: str) -> str:
    return beside(cut(one_line(text), MAX_NAME))
