"""Splits an incident's measurements into those while it fired and later ones, and keeps the peaks. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.facts import AfterEnd, Context, Fact, Measurements, Verdict

SKEW = timedelta(minutes=1)  #: clock difference between machines: an incident's start may be its source's time


@dataclass(frozen=True, slots=True)
class Measured:
    """The stored measurements of one incident."""

    newest: Context | None = None
    fired: Context | None = None  #: the last one while it fired, as far as the bridge knew then
    peaks: tuple[Fact, ...] = ()  #: each fact at its worst while it fired


def merged(known: Measured, found: Context, started_at: datetime, ended_at: datetime | None) -> Measured:
    """With one more measurement. Older ones never replace newer ones; each outbreak has its own values."""
    newest = known.newest if known.newest is not None and known.newest.at > found.at else found
    before = known.fired if known.fired is not None and known.fired.at >= started_at else None
    peaks = known.peaks if before is not None else ()
    if not _within(found, started_at, ended_at):
        return Measured(newest, before, peaks)
    return Measured(newest, _later(before, found), worst_of(peaks, found.facts))


def as_of(known: Measured, started_at: datetime, ended_at: datetime | None) -> Measurements | None:
    """The newest; after the end also the last from while it fired and the peaks, if stored."""
    newest = known.newest
    if newest is None or newest.at < started_at - SKEW:  # of an earlier outbreak; the current one may be muted
        return None
    if ended_at is None:
        return newest
    if newest.at < ended_at:
        return newest if newest.facts or known.fired is None or known.fired.at < started_at else known.fired
    peaks = tuple(fact for fact in known.peaks if started_at <= fact.at < ended_at)
    during = _before_the_end(known.fired, peaks, started_at, ended_at)
    return AfterEnd(newest, during, peaks)


def worst_of(known: Iterable[Fact], found: Iterable[Fact]) -> tuple[Fact, ...]:
    """By name; facts without a value are left out."""
    worst = {fact.name: fact for fact in known}
    for fact in found:
        if fact.value is not None and (fact.name not in worst or _is_worse(fact, worst[fact.name])):
            worst[fact.name] = fact
    return tuple(worst.values())


def _later(known: Context | None, found: Context) -> Context:
    """The newer one, but one without facts never replaces one with facts."""
    if known is None:
        return found
    if bool(known.facts) is not bool(found.facts):
        return known if known.facts else found
    return known if known.at > found.at else found


def _before_the_end(
    fired: Context | None, peaks: tuple[Fact, ...], started_at: datetime, ended_at: datetime
) -> Context | None:
    """The last context before the end: measurements between the end and its webhook are left out."""
    if fired is not None and _within(fired, started_at, ended_at):
        return fired
    newest = fired.facts if fired is not None and fired.at >= started_at else ()
    facts = {fact.name: fact for fact in (*peaks, *newest) if started_at <= fact.at < ended_at}
    return Context(max(fact.at for fact in facts.values()), tuple(facts.values())) if facts else None


def _within(context: Context, started_at: datetime, ended_at: datetime | None) -> bool:
    return context.at >= started_at and (ended_at is None or context.at < ended_at)


def _is_worse(one: Fact, other: Fact) -> bool:
    """Bad values rank first."""
    if (one.verdict is Verdict.BAD) != (other.verdict is Verdict.BAD):
        return one.verdict is Verdict.BAD
    if one.value is None or other.value is None:
        return other.value is None
    return one.value < other.value if one.less_is_worse else one.value > other.value
