"""Model or world: what a model's answers to texts of known labels prove about an incident. Pure.

The same texts are asked whenever a version begins to serve and once in an incident about the model's answers. A version
that answers them as it did then is the same as then, so its inputs have changed; one that does not is broken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.core.facts import Fact, Part, Past, Unit, Unknown, Verdict
from bridge.core.numbers import shown
from bridge.core.routing.matchers import Matcher

PROBE, PROBE_CONFIDENCE = "probe", "probe_confidence"  #: the roles of its facts
NAME = "golden_texts"  #: the fact's name
TITLE = "Golden texts answered wrong"
AFTER_DEPLOY = "after the last deploy"
ON_OTHER_PODS = "on the other pods"
HEADER, WITHOUT_TOKEN = "X-Golden-Probe", "1"  #: marks its requests, so that the model's service need not count them
MARGIN = 0.05  #: of the texts: a model's answers to the same texts differ by less from one processor to another
OWN_CONFIDENCE, OTHER_CONFIDENCE = 0.03, 0.1  #: a larger difference of the means, of one version or of two, is one
CHANCE = 0.05  #: two versions differ in quality when chance explains it with less than this probability
MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """A service whose model is asked golden texts in incidents that match, which are about what it answers."""

    service: str
    matchers: tuple[Matcher, ...]

    def concerns(self, alerts: Iterable[Mapping[str, str]]) -> bool:
        return any(all(matcher.matches(labels) for matcher in self.matchers) for labels in alerts)


@dataclass(frozen=True, slots=True)
class Target:
    """One address that is asked, and what messages call it."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Answered:
    """How many of the golden texts one target answered wrong. version: empty if it does not say."""

    target: str
    version: str
    wrong: int
    asked: int
    confidence: float | None = None  #: mean, 0 to 1, if it says one


@dataclass(frozen=True, slots=True)
class Unanswered:
    target: str
    why: str  #: for users: `HTTP 503`


TargetAnswer = Answered | Unanswered


@dataclass(frozen=True, slots=True)
class Baseline:
    """How a version answered when it began to serve."""

    version: str
    wrong: int
    asked: int
    at: datetime
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """The evidence. There may be both facts and an unknown, when only some targets answered."""

    facts: tuple[Fact, ...] = ()
    unknown: Unknown | None = None

    @property
    def conclusive(self) -> bool:
        return any(fact.verdict is Verdict.BAD for fact in self.facts) or any(
            fact.role == PROBE and fact.verdict is Verdict.GOOD for fact in self.facts
        )


def judged(answers: Sequence[TargetAnswer], baselines: Iterable[Baseline], at: datetime) -> Probed:
    """baselines: of any version of the service, measured with the same golden texts."""
    answered = sorted((each for each in answers if isinstance(each, Answered)), key=_badness, reverse=True)
    silent = [each for each in answers if isinstance(each, Unanswered)]
    unknown = Unknown(TITLE, _reasons(silent)) if silent else None
    if not answered:
        return Probed((), unknown or Unknown(TITLE, "there is no address to ask"))
    known = tuple(baselines)
    compared = [(each, *_compared(each, answered[-1], known)) for each in answered]
    worst, verdict, past = next((each for each in compared if each[1] is Verdict.BAD), compared[0])
    sure = _confidence(answered, known, at)
    if verdict is Verdict.GOOD and (silent or (sure is not None and sure.verdict is Verdict.BAD)):
        verdict = Verdict.NEUTRAL  # the silent one may be the broken one
    wrong = Fact(
        NAME, TITLE, Unit.COUNT, float(worst.wrong), at, past, _parts(answered, worst),
        verdict, "", PROBE, float(worst.asked),
    )  # fmt: skip
    return Probed((wrong,) if sure is None else (wrong, sure), unknown)


def sentence(probed: Probed) -> str:
    """What a responder reads: `Wrong on 9 of 50 golden texts (2.0.0), 1 after the last deploy: the model`."""
    said = [sentence_of(fact) for fact in _telling(probed.facts)]
    said += [f"{probed.unknown.title}: {probed.unknown.why}"] if probed.unknown else []
    if not probed.facts:
        said.append("unknown whether the model or the traffic changed")
    return "; ".join(said)


def sentence_of(fact: Fact) -> str:
    """Of a fact that judged() made."""
    past = next(iter(fact.past), None)
    named = f" ({fact.parts[0].name})" if fact.parts and fact.parts[0].name else ""
    if fact.role == PROBE_CONFIDENCE and past is not None:
        now, then = shown(fact.value or 0.0, fact.unit), shown(past.value, fact.unit)
        return f"Mean confidence on the golden texts is {now}{named}, {then} {past.when}: the model"
    wrong, asked = int(fact.value or 0), int(fact.of or 0)
    if fact.verdict is Verdict.BAD and past is not None:
        of_it = " of that pod" if past.when == ON_OTHER_PODS else ""
        return f"Wrong on {wrong} of {asked} golden texts{named}, {int(past.value)} {past.when}: the model{of_it}"
    right = f"Answers its golden set ({asked - wrong} of {asked} right{_as_then(wrong, past)})"
    return f"{right}: the traffic changed" if fact.verdict is Verdict.GOOD else right


def _telling(facts: Sequence[Fact]) -> list[Fact]:
    """What is bad, or else the count."""
    return [fact for fact in facts if fact.verdict is Verdict.BAD] or [fact for fact in facts if fact.role == PROBE]


def _as_then(wrong: int, past: Past | None) -> str:
    if past is None:
        return "" if wrong == 0 else "; there is no earlier answer to compare with"
    same = int(past.value) == wrong
    return f", as {past.when}" if same else f"; wrong {past.when}: {int(past.value)}"


def _badness(answered: Answered) -> float:
    return answered.wrong / answered.asked


@dataclass(frozen=True, slots=True)
class _Compared:
    """The baseline of a target's version and that of the version before it, where they are known."""

    own: Baseline | None
    former: Baseline | None

    @classmethod
    def of(cls, worst: Answered, baselines: Sequence[Baseline]) -> _Compared:
        own = next((each for each in baselines if each.version == worst.version), None)
        others = [each for each in baselines if each.version != worst.version and (own is None or each.at < own.at)]
        return cls(own, max(others, key=lambda each: each.at, default=None))


def _compared(worst: Answered, best: Answered, baselines: Sequence[Baseline]) -> tuple[Verdict, tuple[Past, ...]]:
    """A target with its own version's baseline, with the best target now, and with the version before."""
    known = _Compared.of(worst, baselines)
    if known.own is not None and _changed(worst, known.own):
        return Verdict.BAD, (Past(AFTER_DEPLOY, float(known.own.wrong)),)
    if best.version == worst.version and _changed(worst, best):
        return Verdict.BAD, (Past(ON_OTHER_PODS, float(best.wrong)),)
    if best.version != worst.version and _worse(worst, best):
        return Verdict.BAD, (Past(f"by {best.version} beside it", float(best.wrong)),)
    if known.former is not None and _worse(worst, known.former):
        return Verdict.BAD, (Past(_by_former(known.former), float(known.former.wrong)),)
    if known.own is not None:
        return Verdict.GOOD, (Past(AFTER_DEPLOY, float(known.own.wrong)),)
    if known.former is not None:
        as_well = not _changed(worst, known.former)  # somewhat worse than another version proves nothing
        return (Verdict.GOOD if as_well else Verdict.NEUTRAL), (Past(_by_former(known.former), known.former.wrong),)
    return (Verdict.GOOD if worst.wrong == 0 else Verdict.NEUTRAL), ()


def _confidence(answered: Sequence[Answered], baselines: Sequence[Baseline], at: datetime) -> Fact | None:
    """Of the least confident target: right answers of which the model is not sure any more are no right answers."""
    said = [(each, each.confidence) for each in answered if each.confidence is not None]
    if not said:
        return None
    least, value = min(said, key=lambda pair: pair[1])
    verdict, past = _compared_confidence(value, _Compared.of(least, baselines))
    parts = (Part(least.version or least.target, value),)
    return Fact(
        "golden_confidence", "Mean confidence on golden texts", Unit.RATIO, value, at, past, parts,
        verdict, "", PROBE_CONFIDENCE, less_is_worse=True,
    )  # fmt: skip


def _compared_confidence(value: float, known: _Compared) -> tuple[Verdict, tuple[Past, ...]]:
    own, former = known.own, known.former
    past = (Past(AFTER_DEPLOY, own.confidence),) if own is not None and own.confidence is not None else ()
    if past and abs(value - past[0].value) >= OWN_CONFIDENCE:
        return Verdict.BAD, past
    if former is not None and former.confidence is not None and former.confidence - value >= OTHER_CONFIDENCE:
        return Verdict.BAD, (Past(_by_former(former), former.confidence),)
    return Verdict.NEUTRAL, past


def _by_former(former: Baseline) -> str:
    return f"by {former.version} after its deploy"


def _changed(now: Answered, then: Answered | Baseline) -> bool:
    """Of one version: the same texts have the same answers, but for rounding."""
    return now.wrong - then.wrong >= max(2, math.ceil(MARGIN * now.asked))


def _worse(now: Answered, other: Answered | Baseline) -> bool:
    """Of two versions, which may differ a little in quality: by more than chance explains (Fisher's exact test)."""
    return _changed(now, other) and _by_chance(now.wrong, now.asked, other.wrong, other.asked) <= CHANCE


def _by_chance(wrong: int, asked: int, other_wrong: int, other_asked: int) -> float:
    """The probability that so many or more of all the wrong answers fall to the first."""
    total, whole = wrong + other_wrong, asked + other_asked
    ways = sum(
        math.comb(asked, count) * math.comb(other_asked, total - count)
        for count in range(wrong, min(asked, total) + 1)
        if total - count <= other_asked
    )
    return ways / math.comb(whole, total)


def _parts(answered: Sequence[Answered], first: Answered) -> tuple[Part, ...]:
    """By version; by target where one version answers differently, or it says no version; `first`, then the worst."""
    counts: dict[str, set[int]] = {}
    for each in answered:
        counts.setdefault(each.version, set()).add(each.wrong)
    by_version = "" not in counts and all(len(each) == 1 for each in counts.values())
    named = {(each.version if by_version else each.target): each for each in reversed(answered)}
    mine = first.version if by_version else first.target
    ordered = sorted(named.items(), key=lambda pair: (pair[0] != mine, -_badness(pair[1]), pair[0]))
    return tuple(Part(name, float(each.wrong), float(each.asked)) for name, each in ordered)


def _reasons(silent: Sequence[Unanswered]) -> str:
    """`no answer from api-0 and api-1 (HTTP 503)`."""
    targets: dict[str, list[str]] = {}
    for each in silent:
        targets.setdefault(each.why, []).append(each.target)
    said = [f"{_listed(names)} ({why})" for why, names in list(targets.items())[:MOST_REASONS]]
    more = len(targets) - len(said)
    return f"no answer from {', '.join(said)}" + (f" and {more} more reasons" if more else "")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_REASONS])
    return f"{shown} and {len(names) - MOST_REASONS} more" if len(names) > MOST_REASONS else shown
