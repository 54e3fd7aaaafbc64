"""Which of an incident's measurements are of the time while it fired, which came after its end, and the worst. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from bridge.core.facts import Context, Fact, Verdict


@dataclass(frozen=True, slots=True)
class Measured:
    """What is kept of one incident."""

    newest: Context | None = None
    fired: Context | None = None  #: the last one while it fired, as far as the bridge knew then
    peaks: tuple[Fact, ...] = ()  #: of these, each fact at its worst


def merged(known: Measured, found: Context, started_at: datetime, ended_at: datetime | None) -> Measured:
    """With one more. An older one never replaces a newer one; an outbreak's values are none of the next one's."""
    newest = known.newest if known.newest is not None and known.newest.at > found.at else found
    before = known.fired if known.fired is not None and known.fired.at >= started_at else None
    peaks = known.peaks if before is not None else ()
    if not _within(found, started_at, ended_at):
        return Measured(newest, before, peaks)
    fired = before if before is not None and before.at > found.at else found
    return Measured(newest, fired, worst_of(peaks, found.facts))


def as_of(known: Measured, started_at: datetime, ended_at: datetime | None) -> Context | None:
    """The newest; after the end, with the last from while it fired and the peaks, as far as they were kept."""
    newest = known.newest
    if newest is None or ended_at is None or newest.at < ended_at:
        return newest
    fired = known.fired if known.fired is not None and _within(known.fired, started_at, ended_at) else None
    peaks = tuple(fact for fact in known.peaks if fact.at < ended_at)
    return replace(newest, after_end=True, during=fired, peaks=peaks)


def worst_of(known: Iterable[Fact], found: Iterable[Fact]) -> tuple[Fact, ...]:
    """By name; a fact without a value has no worst."""
    worst = {fact.name: fact for fact in known}
    for fact in found:
        if fact.value is not None and (fact.name not in worst or _is_worse(fact, worst[fact.name])):
            worst[fact.name] = fact
    return tuple(worst.values())


def _within(context: Context, started_at: datetime, ended_at: datetime | None) -> bool:
    return context.at >= started_at and (ended_at is None or context.at < ended_at)


def _is_worse(one: Fact, other: Fact) -> bool:
    """A bad value is worse than one that is not; what is bad below a bound, or missing of a whole, when it is less."""
    if (one.verdict is Verdict.BAD) != (other.verdict is Verdict.BAD):
        return one.verdict is Verdict.BAD
    if one.value is None or other.value is None:
        return other.value is None
    less = any(fact.why.startswith("below ") or fact.why.endswith(" missing") for fact in (one, other))
    return one.value < other.value if less else one.value > other.value
