"""Was the right cause named, or honestly none, or a wrong one; and does any message send responders the wrong way?"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dev.drills.reading import Said, plain
from dev.drills.scenario import Scenario

VERSION = re.compile(r"(?<![\w.:/-])v?(\d+\.\d+\.\d+)(?![\w.]*\d)")
BLAME = r"[^.;,()]{0,30}(?<!not )(?<!does not )\bfail(s|ed|ing)\b"
ANSWER = re.compile(r"\b(\d+) of \d+ pods answer Prometheus")
FAILED_SECONDS = 600
ENOUGH, LITTLE, MUCH = 30, 0.02, 0.05  #: requests, and shares of them that fail
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


@dataclass(frozen=True)
class Known:
    """What really was the case when the alert was sent."""

    failed: Mapping[str, tuple[int, int]]  #: of how many requests in FAILED_SECONDS, by pod and version
    rule_texts: tuple[str, ...] = ()  #: the alerts' own annotations, which are no conclusions
    silent: bool = False  #: nothing of the service was measured
    answering: int | None = None  #: how many pods answer Prometheus

    def well(self) -> list[str]:
        """Pods and versions that hardly fail while others of their kind do."""
        return [name for name, (failed, asked) in self.failed.items()
                if asked >= ENOUGH and failed < LITTLE * asked and self._others_fail(name)]  # fmt: skip

    def _others_fail(self, name: str) -> bool:
        alike = [counts for other, counts in self.failed.items() if bool(POD.match(other)) is bool(POD.match(name))]
        return any(asked >= ENOUGH and failed > MUCH * asked for failed, asked in alike)


def judge(scenario: Scenario, said: Said, known: Known) -> Judgement:
    shown = said.everything(without=known.rule_texts)
    unsaid = tuple(each for each in scenario.truth.said if not _in(each, shown))
    for score, faults in (
        (Score.DANGEROUS, [*_dangerous(scenario, shown), *_blamed(said, known), *_absent(said, known)]),
        (Score.WRONG, [*_false(scenario, said, known), *_wrong(scenario, said)]),
    ):
        if faults:
            return Judgement(score, "; ".join(faults), unsaid)
    if said.cause:
        return Judgement(Score.RIGHT, "", unsaid)
    if scenario.truth.none == "missed":
        return Judgement(Score.MISSED, "names no cause", unsaid)
    return Judgement(Score.NONE, "", unsaid)


def _dangerous(scenario: Scenario, shown: str) -> Iterator[str]:
    for each in scenario.truth.dangerous:
        if found := re.search(each, shown, re.IGNORECASE):
            yield f"says {shown[max(0, found.start() - 20) : found.end() + 20]!r}"


def _blamed(said: Said, known: Known) -> Iterator[str]:
    for name in known.well():
        if name and _in(rf"(?<![\w.]){re.escape(name)}(?![\w]){BLAME}", plain(said.line)):
            yield f"says that {name} fails, which is well"


def _absent(said: Said, known: Known) -> Iterator[str]:
    for count in ANSWER.findall(plain(said.line)):
        if known.answering is not None and int(count) != known.answering:
            yield f"says that {count} pods answer Prometheus, and {known.answering} do"


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


def _false(scenario: Scenario, said: Said, known: Known) -> Iterator[str]:
    """What no message may say, whatever the scenario."""
    text = said.everything()
    pods = {f"toxicity-api-{each}" for each in range(scenario.pods)}
    yield from (f"speaks of {each}, which does not exist" for each in sorted(set(POD.findall(text)) - pods))
    versions = {*scenario.versions, *(c.version for c in scenario.changes), *(c.previous for c in scenario.changes)}
    found = set(VERSION.findall(plain(said.line)))
    yield from (f"speaks of version {each}, which never served" for each in sorted(found - versions))
    if known.silent:
        good = [str(each["title"]) for each in said.facts if each["verdict"] == "good"]
        yield from (f"calls {each!r} good, which is not measured" for each in good)
    if scenario.send == "firing":
        yield from (f"the cause is missing in {each}" for each in said.messages if each not in said.shown_in())
    yield from _parts(said, known)


def _parts(said: Said, known: Known) -> Iterator[str]:
    """Numbers of a part and its whole that cannot be: more than all, or many failures of what is well."""
    well = known.well()
    for fact in said.facts:
        for part in fact.get("parts", ()):
            name, value, whole = part["name"], part["value"], part.get("of")
            if whole is not None and value > whole * 1.001 + 0.001:
                yield f"{fact['title']}: {name} has {value:g} of {whole:g}"
            elif whole and re.search("error|fail|bad", fact["role"]) and name in well and value > MUCH * whole:
                yield f"{fact['title']}: {name} has {value:g} of {whole:g}, and is well"


def _in(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def totals(judgements: Sequence[Judgement]) -> dict[Score, int]:
    return {score: sum(each.score is score for each in judgements) for score in Score}


def enough(judgements: Sequence[Judgement]) -> bool:
    """At least nine of ten, and none dangerous."""
    passed = sum(each.score.passed for each in judgements)
    return passed >= 0.9 * len(judgements) and not totals(judgements)[Score.DANGEROUS]
