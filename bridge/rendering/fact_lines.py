"""Facts as short texts, and their order: what is bad first. Texts are cleaned and truncated but not escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.facts import PEAK, Fact, Part, Verdict
from bridge.core.numbers import in_words, measured, shown, times
from bridge.rendering.text import beside, cut, one_line

MAX_FACTS = 30
MAX_PARTS = 6
MAX_PAST = 3
MAX_WORST_PARTS = 2  #: on a first screen
MAX_NAME = 60
MAX_WHY = 160  #: it may say a trend, and when something is full
STALE = timedelta(minutes=2)  #: a fact that is older than the context by more than this shows its own age
STEADY = 0.1  #: a smaller relative change counts as none
IN_5_MIN = " in 5 min"  #: ends the titles of counts, as in bridge.core.context.history_facts
REMARKABLE = 2.0  #: from so many times the usual value on, the factor is shown
MARKS = {Verdict.BAD: "🔴", Verdict.GOOD: "🟢", Verdict.NEUTRAL: ""}
PODS = ("targets", "pods_up")  #: roles of facts that count the pods which work, of all


@dataclass(frozen=True, slots=True)
class FactLine:
    """One fact; every text may be empty but the title."""

    name: str
    title: str
    value: str  #: `7.3 %`
    verdict: str  #: `good`, `bad`, or `neutral` without configured thresholds
    judgement: str  #: `bad, above 5 %`; never shown by colour alone
    trend: str  #: `↑ usually 2.1 % (3.5 x), 1 h ago 240 ms`
    parts: str  #: `api-2: 40 of 90, api-1: 1 of 88`
    age: str  #: only when it is much older than the rest
    detail: str  #: what a first screen adds to the value: `above 5 %; ↑ usually 2.1 % (3.5 x); api-2: 40 of 90`

    @property
    def mark(self) -> str:
        """A symbol for the verdict, shown before the judgement."""
        return MARKS[Verdict(self.verdict)]

    @property
    def marked(self) -> str:
        """`🔴 bad, above 5 %`."""
        return f"{self.mark} {self.judgement}".strip()

    @property
    def line(self) -> str:
        """Everything on one line, without symbols: `7.3 % (bad, above 5 %); ↑ usually 2.1 %; api-2: 40 of 90`."""
        judged = f"({self.judgement})" if self.judgement else ""
        head = " ".join(text for text in (self.value, judged) if text)
        return "; ".join(text for text in (head, self.trend, self.parts, self.age) if text)


def in_order(facts: Iterable[Fact], measured_at: datetime) -> tuple[Fact, ...]:
    """What is bad first, as far as it was measured: no pod at work comes before everything.

    What is not measured now is never good: an old value, or any value while no pod works.
    """
    every = [fact for fact in facts if fact.role != PEAK]
    dead = any(_none_works(fact) for fact in every)
    judged = (_judged(fact, now=not dead and measured_at - fact.at <= STALE) for fact in every)
    return tuple(sorted(judged, key=_importance)[:MAX_FACTS])


def fact_lines(facts: Iterable[Fact], measured_at: datetime) -> tuple[FactLine, ...]:
    return tuple(_line(fact, measured_at) for fact in facts)


def with_counts(lines: Sequence[FactLine]) -> tuple[FactLine, ...]:
    """`13 % (466 of 3,615 in 5 min)` as one line: a share and the count of the same thing."""
    counts = {line.title.removesuffix(IN_5_MIN): line for line in lines if line.title.endswith(IN_5_MIN)}
    shares = {line.title for line in lines if line.title in counts}
    kept = [line for line in lines if line.title.removesuffix(IN_5_MIN) not in shares or line.title in shares]
    return tuple(
        replace(line, value=f"{line.value} ({counts[line.title].value}{IN_5_MIN})") if line.title in shares else line
        for line in kept
    )


def parts_text(fact: Fact, most: int = MAX_PARTS) -> str:
    """`api-2: 40 of 90, api-1: 1 of 88`; a rate is never a share of all, which reads as if it were its own ratio."""
    return ", ".join(_part(part, fact) for part in fact.parts[:most])


def short_name(text: str) -> str:
    if len(text) <= MAX_NAME and text.isascii() and text.isprintable() and "  " not in text:  # as nearly all are
        return text.strip()
    return beside(cut(one_line(text), MAX_NAME))


def _none_works(fact: Fact) -> bool:
    return fact.role in PODS and fact.value == 0 and bool(fact.of)


def _judged(fact: Fact, *, now: bool) -> Fact:
    if _none_works(fact):
        return replace(fact, verdict=Verdict.BAD)
    return replace(fact, verdict=Verdict.NEUTRAL, why="") if fact.verdict is Verdict.GOOD and not now else fact


def _importance(fact: Fact) -> int:
    return 0 if _none_works(fact) else 1 if fact.verdict is Verdict.BAD else 2


def _line(fact: Fact, measured_at: datetime) -> FactLine:
    judged = [] if fact.verdict is Verdict.NEUTRAL else [fact.verdict.value]
    earlier = measured_at - fact.at
    age = f"measured at {fact.at:%H:%M:%S}, {in_words(earlier)} earlier" if earlier > STALE else ""
    why = cut(one_line(fact.why), MAX_WHY) if fact.why else ""
    trend, parts = _trend(fact), parts_text(fact)
    details = (
        why,
        _trend(fact, 1) if len(fact.past) > 1 else trend,
        parts_text(fact, MAX_WORST_PARTS) if len(fact.parts) > MAX_WORST_PARTS else parts,
        age,
    )
    return FactLine(
        name=short_name(fact.name),
        title=short_name(fact.title) or short_name(fact.name) or "(no name)",
        value=measured(fact),
        verdict=fact.verdict.value,
        judgement=", ".join([*judged, *([why] if why else [])]),
        trend=trend,
        parts=parts,
        age=age,
        detail="; ".join(text for text in details if text),
    )


def _trend(fact: Fact, most: int = MAX_PAST) -> str:
    if fact.value is None or not fact.past:
        return ""
    first, *others = fact.past[:most]
    pasts: Sequence[str] = [f"{short_name(past.when)} {shown(past.value, fact.unit)}" for past in (first, *others)]
    remarkable = fact.verdict is not Verdict.GOOD and 0 < REMARKABLE * first.value <= fact.value
    factor = f" ({times(fact.value / first.value)})" if remarkable else ""
    return f"{_arrow(fact.value, first.value)} {pasts[0]}{factor}{''.join(f', {past}' for past in pasts[1:])}"


def _arrow(now: float, before: float) -> str:
    if abs(now - before) <= STEADY * abs(before):
        return "→"
    return "↑" if now > before else "↓"


def _part(part: Part, fact: Fact) -> str:
    whole = f" of {shown(part.of, fact.unit)}" if part.of is not None else ""
    return f"{short_name(part.name)}: {shown(part.value, fact.unit)}{whole}"
