"""The context of an incident as short texts in order of importance: the one view behind every channel.

Texts are cleaned and truncated but not escaped: escaping is the channel's task. Nothing here is measured or guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from bridge.core.facts import (
    PEAK,
    AfterEnd,
    Confidence,
    Context,
    Fact,
    Hypothesis,
    Measurements,
    Onset,
    Unknown,
    Verdict,
    newest_of,
)
from bridge.core.numbers import in_words, measured, shown
from bridge.rendering.change_lines import Beginning, ChangeLine, change_line
from bridge.rendering.fact_lines import FactLine, fact_lines, in_order, short_name, with_counts
from bridge.rendering.places import scope_of, where_measured
from bridge.rendering.text import cut, one_line

MAX_WORST = 3  #: bad facts of a message's first screen
MAX_CHANGES = 2
MAX_PEAKS = 5
MAX_EVIDENCE = 5
MAX_SENTENCE = 500
MAX_UNKNOWN = 300
WORDS = {Confidence.LIKELY: "Probably", Confidence.POSSIBLE: "Possibly"}


@dataclass(frozen=True, slots=True)
class ContextView:
    """Empty texts and tuples where nothing is known."""

    facts: tuple[FactLine, ...] = ()  #: what is bad first
    unknown: tuple[str, ...] = ()  #: `PSI, memory: Prometheus did not answer within 1.5 s`
    changes: tuple[ChangeLine, ...] = ()
    more_changes: int = 0
    no_change: str = ""  #: `No change known in the 2 h before`, only if it was looked for
    probably: str = ""  #: the hypothesis, a sentence or two
    cause_word: str = ""  #: how sure it is: `Probably` or `Possibly`
    no_cause: str = ""  #: `No cause found; looked at: deploys, pods`
    rule: str = ""  #: the name of the hypothesis's rule
    evidence: tuple[str, ...] = ()
    began: str = ""  #: `2026-01-02 03:00:05 UTC, 4 min before it fired`; empty when that is not known
    onset_at: datetime | None = None
    where: str = ""  #: `1 of 3 pods; api-2: 40 of 90; running v1 on 2 pods, v2 on 1 pod`
    scope: str = ""  #: `on 3 of 3 pods`
    peak: str = ""  #: the worst value while it fired
    measured: str = ""  #: `2026-01-02 03:04:05 UTC`
    measured_at: datetime | None = None
    when: str = ""  #: of an incident that is over: `while it fired` or `after the end`, when the facts were measured
    peaks: tuple[FactLine, ...] = ()  #: facts that were worse at an earlier time while it fired
    after: tuple[FactLine, ...] = ()  #: facts measured after the end, if `facts` are from before
    after_measured: str = ""
    after_measured_at: datetime | None = None
    bad: tuple[FactLine, ...] = ()  #: of the facts, with their counts
    others: tuple[FactLine, ...] = ()  #: what is good, or nothing remarkable
    worst: tuple[FactLine, ...] = ()  #: what a message says first
    rest: tuple[FactLine, ...] = ()  #: what it says below the first screen


NOTHING = ContextView()


def view_of(context: Measurements | None, started_at: datetime, component: str = "") -> ContextView:
    """started_at: when it fired, by which changes are dated where its beginning is not known. component: changes of
    other services name theirs."""
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
    facts = in_order(context.facts, context.at)
    peak = newest.by_role(PEAK) or context.by_role(PEAK)
    after = in_order(newest.facts, newest.at) if during else ()
    onset = _onset(same.context, started_at)
    beginning = beginning_of(same.context, started_at)
    cause, lines = context.hypothesis, fact_lines(facts, context.at)
    bad = with_counts([line for line in lines if line.verdict == Verdict.BAD])
    others = tuple(line for line in lines if line.verdict != Verdict.BAD)
    return ContextView(
        facts=lines,
        unknown=tuple(_unknown(context.unknown)),
        changes=tuple(change_line(change, beginning, component) for change in newest.changes[:MAX_CHANGES]),
        more_changes=max(0, len(newest.changes) - MAX_CHANGES),
        no_change=_no_change(newest),
        probably=_sentence(cause.text) if cause else "",
        cause_word=WORDS[cause.confidence] if cause else "",
        no_cause="" if cause else _no_cause(context),
        rule=short_name(cause.rule) if cause else "",
        evidence=_evidence(cause) if cause else (),
        began=f"{onset.at:%Y-%m-%d %H:%M:%S} UTC, {before_it_fired(onset.at, started_at)}" if onset else "",
        onset_at=onset.at if onset else None,
        where=where_measured(context),
        scope=scope_of(context),
        peak=shown(peak.value, peak.unit) if peak and peak.value is not None else "",
        measured=f"{context.at:%Y-%m-%d %H:%M:%S} UTC",
        measured_at=context.at,
        when=("while it fired" if during else "after the end") if ended else "",
        peaks=fact_lines(_worse(ended.peaks if ended else (), facts), context.at),
        after=fact_lines(after, newest.at),
        after_measured=f"{newest.at:%Y-%m-%d %H:%M:%S} UTC" if during else "",
        after_measured_at=newest.at if during else None,
        bad=bad,
        others=others,
        worst=bad[:MAX_WORST],
        rest=(*bad[MAX_WORST:], *others),
    )


def before_it_fired(onset: datetime, started_at: datetime) -> str:
    return Beginning(started_at, "it fired").gap(onset)


def beginning_of(known: Measurements | None, started_at: datetime) -> Beginning:
    """What changes are dated by."""
    onset = _onset(known, started_at) if known is not None else None
    return Beginning(onset.at, "it began") if onset else Beginning(started_at, "it fired")


def _onset(known: Measurements, started_at: datetime) -> Onset | None:
    """An alert fires after its trouble began; a later onset is of another outbreak."""
    during = known.during if isinstance(known, AfterEnd) else None
    onset = (during.onset if during else None) or newest_of(known).onset
    return onset if onset is not None and onset.at <= started_at else None


def _no_change(context: Context) -> str:
    known = context.changes_known and not context.changes
    return f"No change known in the {in_words(context.window)} before" if known else ""


def _no_cause(context: Context) -> str:
    """Empty where nothing was looked at, as for alerts that only report a change."""
    if context.looked_at:
        return cut(f"No cause found; looked at: {', '.join(map(short_name, context.looked_at))}", MAX_SENTENCE)
    return "No cause found: nothing could be measured" if context.unknown and not context.facts else ""


def _evidence(cause: Hypothesis) -> tuple[str, ...]:
    return tuple(cut(one_line(each), MAX_UNKNOWN) for each in cause.evidence[:MAX_EVIDENCE])


def _worse(peaks: Iterable[Fact], facts: Iterable[Fact]) -> list[Fact]:
    """Bad peaks that differ from the facts as shown."""
    current = {(fact.name, measured(fact)) for fact in facts}
    bad = [fact for fact in peaks if fact.verdict is Verdict.BAD and fact.role != PEAK]
    return [fact for fact in bad if (fact.name, measured(fact)) not in current][:MAX_PEAKS]


def _unknown(unknown: tuple[Unknown, ...]) -> Iterator[str]:
    """Unknown facts, grouped by their reason."""
    titles: dict[str, list[str]] = {}
    for each in unknown:
        titles.setdefault(each.why, []).append(short_name(each.title))
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


def _sentence(text: str) -> str:
    return cut(one_line(text), MAX_SENTENCE)


__all__ = ["ChangeLine", "ContextView", "FactLine", "before_it_fired", "beginning_of", "view_of"]
