"""What a question's answer was over time, from well before an incident until now. Pure: the queries are run elsewhere.

Causes are compared in time and between parts, so raw counters are asked for in short windows: what a rule recorded may
not reach back, and a rate of 5 minutes times the version of now blames the wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bridge.core.context.enrichment import Failure, HistoryAnswer
from bridge.core.context.questions import HISTORIES, Question, common_labels, expression
from bridge.core.context.series import RangeQuery, Series, Span
from bridge.core.facts import Unknown
from bridge.core.model import Incident

BEFORE = timedelta(hours=3)  #: an alert may fire an hour or more after the trouble began
AFTER, LATELY = timedelta(hours=1), timedelta(hours=1)  #: what is asked for finely: around the onset, and until now
NO_DATA, NOT_ASKED = "no data", Failure("not asked in time")
MOST_POINTS, FEW_POINTS = 360, 60  #: of each series; of what lies between the onset and now in a long incident


@dataclass(frozen=True, slots=True)
class Stretch:
    """A period in equal steps. window: of the rates; each of its points stands for one step before it."""

    span: Span
    step: timedelta
    window: timedelta


@dataclass(frozen=True, slots=True)
class HistoryQueries:
    """A question and the range queries that answer it for one incident: one for each of the stretches."""

    question: Question
    stretches: tuple[Stretch, ...]
    parts: tuple[RangeQuery, ...]
    wholes: tuple[RangeQuery, ...] = ()

    @property
    def queries(self) -> tuple[RangeQuery, ...]:
        return (*self.parts, *self.wholes)


@dataclass(frozen=True, slots=True)
class History:
    """An answer over time. wholes: what each part is a part of, by the same labels; empty without `of`.

    step: of all points around the onset and until now; those between have the steps of `coarse`.
    """

    question: Question
    step: timedelta
    parts: tuple[Series, ...]
    wholes: tuple[Series, ...] = ()
    coarse: Stretch | None = None

    def seconds_before(self, at: float) -> float:
        """From the point before that at `at` (Unix seconds)."""
        between = self.coarse
        if between is not None and between.span.start.timestamp() <= at <= between.span.end.timestamp():
            return between.step.total_seconds()
        return self.step.total_seconds()


def stretches_of(started_at: datetime, until: datetime, finest: timedelta) -> tuple[Stretch, ...]:
    """From BEFORE the start to the end in few points: one stretch, or of a long incident three that join.

    What is said of now and of the onset needs fine steps there; what lies between is only counted. Aligned to the
    step, so that the queries of concurrent incidents are equal.
    """
    step = finest * max(1, math.ceil((BEFORE + AFTER + LATELY) / finest / (MOST_POINTS - FEW_POINTS)))
    first, last = _aligned(started_at - BEFORE, step), _aligned(max(until, started_at), step)
    if (last - first) / step <= MOST_POINTS:
        return (_fine(first, last, step),)
    lately = last - _aligned_length(LATELY, step)
    between = lately - _aligned(started_at + AFTER, step)
    coarse = step * (between // (step * FEW_POINTS))
    middle = lately - FEW_POINTS * coarse
    return (
        _fine(first, middle, step),
        Stretch(Span(middle + coarse, lately), coarse, max(coarse, 2 * step)),
        _fine(lately + step, last, step),
    )


def histories_for(
    questions: Iterable[Question], incident: Incident, scope: Sequence[str], stretches: tuple[Stretch, ...]
) -> list[HistoryQueries]:
    """As queries_for() does for the questions that are asked once."""
    alerts = [alert.labels for alert in (incident.firing or tuple(incident.alerts.values()))]
    shared = common_labels(alerts)
    asked = []
    for question in questions:
        if question.role in HISTORIES and question.concerns(alerts):
            parts = _over(question.expr, shared, scope, stretches)
            if parts:
                asked.append(HistoryQueries(question, stretches, parts, _over(question.of, shared, scope, stretches)))
    return asked


def history_of(asked: HistoryQueries, answers: Mapping[RangeQuery, HistoryAnswer]) -> History | Unknown:
    """The history, or why there is none."""
    for query in asked.queries:
        answer = answers.get(query, NOT_ASKED)
        if isinstance(answer, Failure):
            return Unknown(asked.question.title, answer.why, answer.silent)
    parts, wholes = _joined(asked.parts, answers), _joined(asked.wholes, answers)
    if not parts and not wholes:
        return Unknown(asked.question.title, NO_DATA)
    coarse = asked.stretches[1] if len(asked.stretches) > 1 else None
    return History(asked.question, asked.stretches[0].step, parts, wholes, coarse)


def _over(
    expr: str | None, labels: Mapping[str, str], scope: Sequence[str], stretches: Iterable[Stretch]
) -> tuple[RangeQuery, ...]:
    """Nothing when there is no such expression, or a label that it needs is missing."""
    written = [(each, expression(expr, labels, scope, step=each.window / 2)) for each in stretches] if expr else []
    return tuple(RangeQuery(text, each.span, each.step) for each, text in written if text is not None)


def _joined(queries: Iterable[RangeQuery], answers: Mapping[RangeQuery, HistoryAnswer]) -> tuple[Series, ...]:
    """The points of each series in all stretches."""
    found: dict[tuple[tuple[str, str], ...], list[Series]] = {}
    for query in queries:
        answer = answers.get(query, NOT_ASKED)
        for series in () if isinstance(answer, Failure) else answer:
            found.setdefault(tuple(sorted(series.labels.items())), []).append(series)
    return tuple(
        Series(each[0].labels, tuple(point for part in each for point in part.points)) for each in found.values()
    )


def _fine(first: datetime, last: datetime, step: timedelta) -> Stretch:
    """In windows of two steps, so that each has the two samples that a rate needs."""
    return Stretch(Span(first, last), step, 2 * step)


def _aligned(at: datetime, step: timedelta) -> datetime:
    seconds = max(1, int(step.total_seconds()))
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)


def _aligned_length(length: timedelta, step: timedelta) -> timedelta:
    return step * math.ceil(length / step)
