"""What a message knows beyond its alerts: measured facts, what changed, what could not be learned.

Invariant: nothing here is guessed. A fact was measured, and says when; what was not measured is an Unknown that says
why.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


class Unit(enum.StrEnum):
    """What a number counts; how it is written for people is rendering's business."""

    RATIO = "ratio"  #: 0.073 is 7.3 %
    SECONDS = "seconds"
    BYTES = "bytes"
    PER_SECOND = "per_second"
    COUNT = "count"
    NUMBER = "number"


class Verdict(enum.StrEnum):
    GOOD = "good"
    BAD = "bad"
    NEUTRAL = "neutral"  #: nobody said which values are bad


PEAK = "peak"  #: the role of the worst value of an incident's life


@dataclass(frozen=True, slots=True)
class Part:
    """One share of a fact that is broken down: by pod, by version, by error type."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Past:
    """The same question at an earlier time, or what is usual. `when` reads after the number: `1 h ago`, `usually`."""

    when: str
    value: float


@dataclass(frozen=True, slots=True)
class Fact:
    """One answer. value is the sum or the single value; parts, the largest first, when it was asked by a label."""

    name: str  #: of the question
    title: str
    unit: Unit
    value: float | None  #: None when only the parts mean something
    at: datetime  #: when it was measured
    past: tuple[Past, ...] = ()
    parts: tuple[Part, ...] = ()
    verdict: Verdict = Verdict.NEUTRAL
    why: str = ""  #: what the verdict stands on: `above 5 %`
    role: str = ""  #: what the hypotheses may use it for
    of: float | None = None  #: the whole that value is a part of: 2 of 3 pods
    less_is_worse: bool = False  #: such as a confidence, or the pods that there are of all


@dataclass(frozen=True, slots=True)
class Unknown:
    """A question that was asked and not answered."""

    title: str
    why: str  #: for people: `Prometheus did not answer within 1.5 s`
    silent: bool = False  #: whoever knows did not answer, and may do so later


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """Something that people or machines did to the service: a deployment, a rollback, a retraining."""

    kind: str  #: deploy | rollback | retraining | config, or any other word
    service: str
    at: datetime
    summary: str
    version: str = ""
    previous: str = ""
    by: str = ""
    link: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str = ""  #: who told us
    id: str = ""  #: the same however often this one change is told


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What probably happened, in one sentence with its evidence, and the name of the rule that said so."""

    rule: str
    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that was learned about one incident at one time."""

    at: datetime
    facts: tuple[Fact, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    changes: tuple[ChangeEvent, ...] = ()  #: the newest first
    hypothesis: Hypothesis | None = None
    took: timedelta = timedelta(0)
    after_end: bool = False  #: the incident was over by then: none of these values is what it was about
    during: Context | None = None  #: of what was measured after the end: the last one from while it fired
    peaks: tuple[Fact, ...] = ()  #: and each fact at its worst while it fired

    @property
    def complete(self) -> bool:
        """Nothing more can be learned by asking again."""
        return not any(unknown.silent for unknown in self.unknown)

    def by_role(self, role: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.role == role), None)
