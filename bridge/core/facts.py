"""The context of an incident: measured facts, changes, and what could not be measured.

Invariant: nothing is guessed. A fact was measured and says when; what could not be measured is an Unknown that says
why.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta


class Unit(enum.StrEnum):
    """A number's unit; rendering decides how it is written."""

    RATIO = "ratio"  #: 0.073 is 7.3 %
    SECONDS = "seconds"
    BYTES = "bytes"
    PER_SECOND = "per_second"
    COUNT = "count"
    NUMBER = "number"


class Verdict(enum.StrEnum):
    GOOD = "good"
    BAD = "bad"
    NEUTRAL = "neutral"  #: no thresholds are configured


PEAK = "peak"  #: the role of the worst value of an incident's life


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a fact broken down by a label: by pod, version or error type.

    `of` is its own whole: toxicity-api-1 failed 2 of 27. The counts are kept, so that few are never shown as a share.
    """

    name: str
    value: float
    of: float | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """The same value earlier, or its usual one. `when` follows the number: `1 h ago`, `usually`."""

    when: str
    value: float


@dataclass(frozen=True, slots=True)
class Fact:
    """One answer. value is the sum or the single value; parts, the largest first, if broken down by a label."""

    name: str  #: of the question
    title: str
    unit: Unit
    value: float | None  #: None when only the parts mean something
    at: datetime  #: when it was measured
    past: tuple[Past, ...] = ()
    parts: tuple[Part, ...] = ()
    verdict: Verdict = Verdict.NEUTRAL
    why: str = ""  #: the reason for the verdict: `above 5 %`
    role: str = ""  #: what the hypotheses may use it for
    of: float | None = None  #: the whole that value is a part of: 2 of 3 pods
    less_is_worse: bool = False  #: such as a confidence, or ready pods


@dataclass(frozen=True, slots=True)
class Unknown:
    """A question that could not be answered."""

    title: str
    why: str  #: shown to users: `Prometheus did not answer within 1.5 s`
    silent: bool = False  #: the server did not answer, and may do so later


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """Something that was done to a service: a deployment, a rollback, a retraining."""

    kind: str  #: deploy | rollback | retraining | config, or any other word
    service: str
    at: datetime
    summary: str
    version: str = ""
    previous: str = ""
    by: str = ""
    link: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str = ""  #: who reported it
    id: str = ""  #: the same however often this change is reported


class Confidence(enum.StrEnum):
    """How sure a hypothesis is; below `possible` nothing is claimed."""

    LIKELY = "likely"  #: a comparison with what is unchanged, or a coincidence in time, and nothing against it
    POSSIBLE = "possible"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The cause in one or two sentences with counts, its evidence and the rule that found it.

    short: what is new for the tail of a summary; never the number that the summary already says.
    The confidence of one that was stored without is `possible`.
    """

    rule: str
    text: str
    evidence: tuple[str, ...] = ()
    confidence: Confidence = Confidence.POSSIBLE
    short: str = ""


@dataclass(frozen=True, slots=True)
class Onset:
    """When the trouble began, which is before its alert fired: a rate rises first, and `for` must pass."""

    at: datetime
    source: str  #: from what it is known: `the failed predictions`, `the alert's expression`


@dataclass(frozen=True, slots=True)
class Context:
    """Everything known about one incident at one time."""

    at: datetime
    facts: tuple[Fact, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    changes: tuple[ChangeEvent, ...] = ()  #: the newest first
    hypothesis: Hypothesis | None = None
    took: timedelta = timedelta(0)
    onset: Onset | None = None  #: None: not known, so only when the alert fired can be said
    looked_at: tuple[str, ...] = ()  #: what a cause was looked for in, and had an answer: deploys, versions, pods ...
    changes_known: bool = False  #: whether the store was asked for changes and answered
    window: timedelta = timedelta(hours=2)  #: how long before the start they were asked for

    @property
    def complete(self) -> bool:
        """Whether asking again would add nothing."""
        return not any(unknown.silent for unknown in self.unknown)

    def by_role(self, role: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.role == role), None)


@dataclass(frozen=True, slots=True)
class AfterEnd:
    """The measurements of an incident that is over: the newest do not show the fault, earlier ones do."""

    newest: Context  #: measured after the end
    during: Context | None = None  #: the last one from while it fired
    peaks: tuple[Fact, ...] = ()  #: each fact at its worst while it fired


#: What is known about an incident: while it fires, or after it.
Measurements = Context | AfterEnd


def newest_of(known: Measurements) -> Context:
    """What was measured last."""
    return known.newest if isinstance(known, AfterEnd) else known
