"""Turns questions into queries, and answers into facts. Pure: the queries are run elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.context.questions import HISTORIES, Question, common_labels, expression
from bridge.core.context.series import Series
from bridge.core.facts import PEAK, Fact, Part, Past, Unit, Unknown, Verdict
from bridge.core.model import Incident
from bridge.core.numbers import in_words, shown, times

MAX_PARTS = 5
NO_NAME = "(none)"
NOW = timedelta(0)
FELL = 0.5  #: of what is usual
HALF_WAY = 0.5


@dataclass(frozen=True, slots=True)
class Query:
    """One instant query: the PromQL, evaluated `ago` before now."""

    expr: str
    ago: timedelta = NOW


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector."""

    labels: Mapping[str, str]
    value: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer, for users. silent: there may be one later; otherwise the query itself is wrong."""

    why: str
    silent: bool = True


Answer = tuple[Sample, ...] | Failure
HistoryAnswer = tuple[Series, ...] | Failure


@dataclass(frozen=True, slots=True)
class QuestionQueries:
    """A question and the queries that answer it for one incident."""

    question: Question
    now: Query
    usual: Query | None
    past: tuple[Query, ...]
    whole: Query | None = None

    @property
    def queries(self) -> tuple[Query, ...]:
        others = (query for query in (self.usual, self.whole) if query is not None)
        return (self.now, *others, *self.past)


def queries_for(
    questions: Iterable[Question], incident: Incident, scope: Sequence[str], lasted: timedelta, over: timedelta = NOW
) -> list[QuestionQueries]:
    """The queries for an incident: for questions that concern one of its alerts and whose labels it has.

    scope: the labels, in order, that `{{ labels }}` selects by; only those which all alerts share count.
    lasted: the time since the incident's start. over: the time since its end; peaks are those until then.
    """
    alerts = [alert.labels for alert in (incident.firing or tuple(incident.alerts.values()))]
    shared = common_labels(alerts)
    once = (question for question in questions if question.role not in HISTORIES and question.concerns(alerts))
    asked = (_asked(question, shared, scope, lasted, over) for question in once)
    return [each for each in asked if each is not None]


def fact_of(asked: QuestionQueries, answers: Mapping[Query, Answer]) -> Fact | Unknown:
    """The fact, or why there is none. Missing past values are left out of the fact."""
    question, answer = asked.question, answers.get(asked.now, Failure("not asked in time"))
    if isinstance(answer, Failure):
        return Unknown(question.title, answer.why, answer.silent)
    samples = [sample for sample in answer if math.isfinite(sample.value)]
    if not samples:
        return Unknown(question.title, "no data")
    if question.by is None and len(samples) > 1:
        why = f"the query gave {len(samples)} values: aggregate it, or name the label that distinguishes them in `by`"
        return Unknown(question.title, why)
    value, parts = _value(question, samples), _parts(question, samples, _wholes(asked, answers))
    past, of = _past(asked, answers), _single(answers.get(asked.whole)) if asked.whole else None
    verdict, why = verdict_of(question, value if value is not None else parts[0].value, past, of)
    at = max(sample.at for sample in samples)
    return Fact(
        question.name, question.title, question.unit, value, at, past, parts, verdict, why, question.role, of,
        less_is_worse=question.bad_unless_all or (question.bad_below is not None and question.bad_above is None),
    )  # fmt: skip


def verdict_of(question: Question, value: float, past: Sequence[Past], of: float | None = None) -> tuple[Verdict, str]:
    """The verdict and its reason."""
    if question.bad_unless_all and of is not None:
        missing = of - value
        return (Verdict.BAD, f"{shown(missing, question.unit)} missing") if missing > 0 else (Verdict.GOOD, "")
    usual = next((each.value for each in past if each.when == USUALLY), None)
    if question.bad_above is not None and value > question.bad_above:
        return Verdict.BAD, f"above {shown(question.bad_above, question.unit)}"
    if question.bad_below is not None and value < question.bad_below:
        return Verdict.BAD, f"below {shown(question.bad_below, question.unit)}"
    if question.bad_times_usual is not None and usual:
        if value > question.bad_times_usual * usual:
            return Verdict.BAD, f"{times(value / usual)} what is usual"
        if value < FELL * usual:
            return Verdict.NEUTRAL, f"{shown(value / usual, Unit.RATIO)} of what is usual"
        return Verdict.GOOD, ""
    limits = [limit for limit in (question.bad_above, question.bad_below) if limit is not None]
    worsened = any(_worsened(value, each.value, limit) for each in past for limit in limits)
    return (Verdict.GOOD if limits and not worsened else Verdict.NEUTRAL), ""


def _worsened(value: float, before: float, limit: float) -> bool:
    """Whether it came more than half of the way from where it was to its limit: no good news."""
    way = limit - before
    return way * (limit - value) > 0 and (value - before) / way > HALF_WAY


USUALLY = "usually"


def _asked(
    question: Question, labels: Mapping[str, str], scope: Sequence[str], lasted: timedelta, over: timedelta
) -> QuestionQueries | None:
    ago = over if question.role == PEAK else NOW
    lasted -= ago
    expr, usual, whole = (
        expression(text, labels, scope, lasted) if text else None
        for text in (question.expr, question.usual, question.of)
    )
    if expr is None:
        return None
    past = tuple(Query(expr, each) for each in question.ago)
    return QuestionQueries(
        question, Query(expr, ago), Query(usual) if usual else None, past, Query(whole) if whole else None
    )


def _value(question: Question, samples: Sequence[Sample]) -> float | None:
    if question.by is None:
        return samples[0].value
    countable = question.unit in (Unit.COUNT, Unit.PER_SECOND, Unit.BYTES)
    return sum(sample.value for sample in samples) if countable else None


def _wholes(asked: QuestionQueries, answers: Mapping[Query, Answer]) -> dict[str, float]:
    """The whole of each part, by its name."""
    answer, by = answers.get(asked.whole, ()) if asked.whole else (), asked.question.by
    if by is None or isinstance(answer, Failure):
        return {}
    finite = (sample for sample in answer if math.isfinite(sample.value))
    return {sample.labels.get(by, "") or NO_NAME: sample.value for sample in finite}


def _parts(question: Question, samples: Sequence[Sample], wholes: Mapping[str, float]) -> tuple[Part, ...]:
    """The largest first; a whole that has no part of its own is one of which nothing is."""
    if question.by is None:
        return ()
    values = {sample.labels.get(question.by, "") or NO_NAME: sample.value for sample in samples}
    parts = [Part(name, value, wholes.get(name)) for name, value in {**dict.fromkeys(wholes, 0.0), **values}.items()]
    ordered = sorted(parts, key=lambda part: (-part.value, part.name))
    rest = ordered[MAX_PARTS:]
    countable = question.unit in (Unit.COUNT, Unit.PER_SECOND, Unit.BYTES)
    of = sum(part.of for part in rest if part.of is not None) if wholes else None
    others = (Part(f"{len(rest)} others", sum(part.value for part in rest), of),) if rest and countable else ()
    return (*ordered[:MAX_PARTS], *others)


def _past(asked: QuestionQueries, answers: Mapping[Query, Answer]) -> tuple[Past, ...]:
    wanted = [(USUALLY, asked.usual)] if asked.usual else []
    wanted += [(f"{in_words(query.ago)} ago", query) for query in asked.past]
    found = ((when, _single(answers.get(query))) for when, query in wanted if query is not None)
    return tuple(Past(when, value) for when, value in found if value is not None)


def _single(answer: Answer | None) -> float | None:
    """The value; the sum of a broken-down question, for its past is shown only as a sum."""
    if answer is None or isinstance(answer, Failure):
        return None
    values = [sample.value for sample in answer if math.isfinite(sample.value)]
    return sum(values) if values else None
