"""Was the right cause named, or honestly none, or a wrong one; and does any message send responders the wrong way?"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dev.drills.reading import Said, plain
from dev.drills.scenario import Scenario

VERSION = re.compile(r"(?<![\w.:/-])v?(\d+\.\d+\.\d+)(?![\w.]*\d)")
POD = re.compile(r"toxicity-api-\d+")


class Score(enum.StrEnum):
    RIGHT = "right"
    NONE = "honestly none"
    MISSED = "missed"
    WRONG = "wrong"
    DANGEROUS = "dangerous"

    @property
    def passed(self) -> bool:
        return self in (Score.RIGHT, Score.NONE)


@dataclass(frozen=True)
class Judgement:
    score: Score
    why: str
    unsaid: tuple[str, ...] = ()  #: facts that belong into the messages, by their patterns


def judge(scenario: Scenario, said: Said, rule_texts: Iterable[str], silent: bool) -> Judgement:
    """rule_texts: the alerts' own annotations, which are no conclusions. silent: nothing of the service is measured."""
    shown = said.everything(without=rule_texts)
    unsaid = tuple(each for each in scenario.truth.said if not _in(each, shown))
    for score, faults in (
        (Score.DANGEROUS, [f"says /{each}/" for each in scenario.truth.dangerous if _in(each, shown)]),
        (Score.WRONG, [*_false(scenario, said, silent), *_wrong(scenario, said)]),
    ):
        if faults:
            return Judgement(score, "; ".join(faults), unsaid)
    if said.cause:
        return Judgement(Score.RIGHT, "", unsaid)
    if scenario.truth.none == "missed":
        return Judgement(Score.MISSED, "names no cause", unsaid)
    return Judgement(Score.NONE, "", unsaid)


def _wrong(scenario: Scenario, said: Said) -> Iterator[str]:
    if not said.cause:
        return
    truth, line = scenario.truth, plain(said.line)
    yield from (f"blames /{each}/" for each in truth.must_not if _in(each, line))
    if not truth.must:
        yield "names a cause where none can be known"
    yield from (f"does not say /{each}/" for each in truth.must if not _in(each, line))
    if not truth.likely and said.confidence != "possible":
        yield "is surer than the evidence"


def _false(scenario: Scenario, said: Said, silent: bool) -> Iterator[str]:
    """What no message may say, whatever the scenario."""
    text = said.everything()
    known = {f"toxicity-api-{each}" for each in range(scenario.pods)}
    yield from (f"speaks of {each}, which does not exist" for each in sorted(set(POD.findall(text)) - known))
    versions = {*scenario.versions, *(c.version for c in scenario.changes), *(c.previous for c in scenario.changes)}
    found = set(VERSION.findall(plain(said.line)))
    yield from (f"speaks of version {each}, which never served" for each in sorted(found - versions))
    if silent:
        good = [str(each["title"]) for each in said.facts if each["verdict"] == "good"]
        yield from (f"calls {each!r} good, which nobody measures" for each in good)
    yield from _parts(said)


def _parts(said: Said) -> Iterator[str]:
    """A part is never more than its whole."""
    for fact in said.facts:
        for part in fact.get("parts", ()):
            if part.get("of") is not None and part["value"] > part["of"] * 1.001 + 0.001:
                yield f"{fact['title']}: {part['name']} has {part['value']:g} of {part['of']:g}"


def _in(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def totals(judgements: Sequence[Judgement]) -> dict[Score, int]:
    return {score: sum(each.score is score for each in judgements) for score in Score}


def enough(judgements: Sequence[Judgement]) -> bool:
    """At least nine of ten, and none dangerous."""
    passed = sum(each.score.passed for each in judgements)
    return passed >= 0.9 * len(judgements) and not totals(judgements)[Score.DANGEROUS]
