"""The context of an incident as short texts in order of importance: the one view behind every channel.

Texts are cleaned and truncated but not escaped: escaping is the channel's task. Nothing here is measured or guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from bridge.core.facts import (
    PEAK,
    AfterEnd,
    ChangeEvent,
    Fact,
    Hypothesis,
    Measurements,
    Part,
    Unit,
    Unknown,
    Verdict,
    newest_of,
)  # fmt: skip
from bridge.core.numbers import in_words, measured, shown
from bridge.rendering.links import safe_href
from bridge.rendering.text import beside, cut, one_line

MAX_FACTS = 30
MAX_CHANGES = 3
MAX_PEAKS = 5
MAX_NAME = 60
MAX_SENTENCE = 500
MAX_UNKNOWN = 300
STALE = timedelta(minutes=2)  #: a fact that is older than the context by more than this shows its own age
STEADY = 0.1  #: a smaller relative change counts as none
MARKS = {Verdict.BAD: "🔴", Verdict.GOOD: "🟢", Verdict.NEUTRAL: ""}


@dataclass(frozen=True, slots=True)
class FactLine:
    """One fact; every text may be empty but the title."""

    name: str
    title: str
    value: str  #: `7.3 %`
    verdict: str  #: `good`, `bad`, or `neutral` without configured thresholds
    judgement: str  #: `bad, above 5 %`; never shown by colour alone
    trend: str  #: `↑ usually 2.1 %, 1 h ago 240 ms`
    parts: str  #: `api-2 94 %, api-1 6 %`
    age: str  #: only when it is much older than the rest

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
        """Everything on one line, without symbols: `7.3 % (bad, above 5 %); ↑ usually 2.1 %; api-2 94 %`."""
        judged = f"({self.judgement})" if self.judgement else ""
        head = " ".join(text for text in (self.value, judged) if text)
        return "; ".join(text for text in (head, self.trend, self.parts, self.age) if text)


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """`v2 deployed 6 min before the start, by ci`."""

    text: str
    href: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class ContextView:
    """Empty texts and tuples where nothing is known."""

    facts: tuple[FactLine, ...] = ()
    unknown: tuple[str, ...] = ()  #: `PSI, memory: Prometheus did not answer within 1.5 s`
    changes: tuple[ChangeLine, ...] = ()
    more_changes: int = 0
    probably: str = ""  #: the hypothesis, one sentence
    rule: str = ""  #: the name of its rule
    causes: tuple[str, ...] = ()  #: short forms to append to a summary, the most specific first
    scope: str = ""  #: `on 3 of 3 pods`
    peak: str = ""  #: the worst value while it fired
    measured: str = ""  #: `2026-01-02 03:04:05 UTC`
    measured_at: datetime | None = None
    when: str = ""  #: of an incident that is over: `while it fired` or `after the end`, when the facts were measured
    peaks: tuple[FactLine, ...] = ()  #: facts that were worse at an earlier time while it fired
    after: tuple[FactLine, ...] = ()  #: facts measured after the end, if `facts` are from before
    after_measured: str = ""
    after_measured_at: datetime | None = None


NOTHING = ContextView()


def view_of(context: Measurements | None, started_at: datetime, component: str = "") -> ContextView:
    """started_at: changes are dated relative to it. component: changes of other services name theirs."""
    return NOTHING if context is None else _view(_Same(context), started_at, component)


class _Same:
    """A context as a key by identity, for comparing contexts costs more than it saves."""

    __slots__ = ("context",)

    def __init__(self, context: Measurements) -> None:
        self.context = context

    def __hash__(self) -> int:
        return id(self.context)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.context is self.context


@lru_cache(maxsize=64)  # the channels of one incident follow each other closely
def _view(same: _Same, started_at: datetime, component: str) -> ContextView:
    newest, ended = newest_of(same.context), same.context if isinstance(same.context, AfterEnd) else None
    during = ended.during if ended else None
    context = during or newest
    facts = context.facts[:MAX_FACTS]
    peak = newest.by_role(PEAK) or context.by_role(PEAK)
    after = newest.facts[:MAX_FACTS] if during else ()
    return ContextView(
        facts=_lines(facts, context.at),
        unknown=tuple(_unknown(context.unknown)),
        changes=tuple(_change(change, started_at, component) for change in newest.changes[:MAX_CHANGES]),
        more_changes=max(0, len(newest.changes) - MAX_CHANGES),
        probably=_sentence(context.hypothesis.text) if context.hypothesis else "",
        rule=_name(context.hypothesis.rule) if context.hypothesis else "",
        causes=tuple(_causes(context.hypothesis, facts)),
        scope=_scope(context.by_role("pods_failing")),
        peak=shown(peak.value, peak.unit) if peak and peak.value is not None else "",
        measured=f"{context.at:%Y-%m-%d %H:%M:%S} UTC",
        measured_at=context.at,
        when=("while it fired" if during else "after the end") if ended else "",
        peaks=_lines(_worse(ended.peaks if ended else (), facts), context.at),
        after=_lines(after, newest.at),
        after_measured=f"{newest.at:%Y-%m-%d %H:%M:%S} UTC" if during else "",
        after_measured_at=newest.at if during else None,
    )


def _lines(facts: Iterable[Fact], measured_at: datetime) -> tuple[FactLine, ...]:
    return tuple(_fact(fact, measured_at) for fact in facts if fact.role != PEAK)


def _worse(peaks: Iterable[Fact], facts: Iterable[Fact]) -> list[Fact]:
    """Bad peaks that differ from the facts as shown."""
    current = {(fact.name, measured(fact)) for fact in facts}
    return [fact for fact in peaks if fact.verdict is Verdict.BAD and (fact.name, measured(fact)) not in current][
        :MAX_PEAKS
    ]


def _fact(fact: Fact, measured_at: datetime) -> FactLine:
    judged = [] if fact.verdict is Verdict.NEUTRAL else [fact.verdict.value]
    judged += [cut(one_line(fact.why), MAX_NAME)] if fact.why else []
    earlier = measured_at - fact.at
    age = f"measured at {fact.at:%H:%M:%S}, {in_words(earlier)} earlier" if earlier > STALE else ""
    return FactLine(
        name=_name(fact.name),
        title=_name(fact.title) or _name(fact.name) or "(no name)",
        value=measured(fact),
        verdict=fact.verdict.value,
        judgement=", ".join(judged),
        trend=_trend(fact),
        parts=", ".join(_part(part, fact) for part in fact.parts[:6]),
        age=age,
    )


def _trend(fact: Fact) -> str:
    if fact.value is None or not fact.past:
        return ""
    pasts = ", ".join(f"{_name(past.when)} {shown(past.value, fact.unit)}" for past in fact.past[:3])
    return f"{_arrow(fact.value, fact.past[0].value)} {pasts}"


def _arrow(now: float, before: float) -> str:
    if abs(now - before) <= STEADY * abs(before):
        return "→"
    return "↑" if now > before else "↓"


def _part(part: Part, fact: Fact) -> str:
    """Parts of a rate are shown as shares: which part has most of the errors matters, not how many per second."""
    shares = fact.unit is Unit.PER_SECOND and fact.value is not None and fact.value > 0
    number = shown(part.value / fact.value, Unit.RATIO) if shares and fact.value else shown(part.value, fact.unit)
    return f"{_name(part.name)} {number}"


def _unknown(unknown: tuple[Unknown, ...]) -> Iterator[str]:
    """Unknown facts, grouped by their reason."""
    titles: dict[str, list[str]] = {}
    for each in unknown:
        titles.setdefault(each.why, []).append(_name(each.title))
    for why, names in list(titles.items())[:5]:
        reason = cut(one_line(why), MAX_UNKNOWN // 2)
        yield f"{_listed(names, MAX_UNKNOWN - len(reason) - 2)}: {reason}"


def _listed(names: Sequence[str], room: int) -> str:
    """As many names as fit, and how many more there are: `Requests, Drift and 12 more`."""
    for count in range(len(names), 0, -1):
        more = f" and {len(names) - count} more" if count < len(names) else ""
        text = ", ".join(names[:count])
        if count == 1 or len(text) + len(more) <= room:
            return cut(text, room - len(more)) + more
    return ""


def _change(change: ChangeEvent, started_at: datetime, component: str) -> ChangeLine:
    gap = started_at - change.at
    when = f"{in_words(gap)} before the start" if gap >= timedelta(0) else f"{in_words(-gap)} after the start"
    by = f", by {_name(change.by)}" if change.by else ""
    of = f"{_name(change.service)}: " if change.service and change.service != component else ""
    return ChangeLine(f"{of}{_what(change)} {when}{by}", safe_href(change.link) if change.link else None, change.at)


def _what(change: ChangeEvent) -> str:
    version, previous = _name(change.version), _name(change.previous)
    if change.kind in ("deploy", "rollback") and version:
        done = "deployed" if change.kind == "deploy" else "rolled back to"
        text = f"{version} {done}" if change.kind == "deploy" else f"{done} {version}"
        return f"{text} (before: {previous})" if previous else text
    return cut(one_line(change.summary), 150) or _name(change.kind)


def _causes(hypothesis: Hypothesis | None, facts: tuple[Fact, ...]) -> Iterator[str]:
    if hypothesis is not None:
        first = hypothesis.evidence[0] if hypothesis.evidence else hypothesis.text.partition(";")[0]
        yield cut(one_line(first).rstrip("."), 120)
    for fact in facts:
        if fact.verdict is Verdict.BAD and fact.value is not None and fact.role != PEAK:
            yield f"{_name(fact.title)} {measured(fact)}"


def _scope(failing: Fact | None) -> str:
    if failing is None or not failing.value or not failing.of:
        return ""
    return f"on {measured(failing)} pods"


def _name(text: str) -> str:
    return beside(cut(one_line(text), MAX_NAME))


def _sentence(text: str) -> str:
    return cut(one_line(text), MAX_SENTENCE)
