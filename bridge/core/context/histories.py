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
NO_DATA = "no data"
MOST_POINTS = 360  #: of each series; the steps of a longer incident are longer


@dataclass(frozen=True, slots=True)
class HistoryQueries:
    """A question and the range queries that answer it for one incident."""

    question: Question
    parts: RangeQuery
    wholes: RangeQuery | None

    @property
    def queries(self) -> tuple[RangeQuery, ...]:
        return (self.parts,) if self.wholes is None else (self.parts, self.wholes)


@dataclass(frozen=True, slots=True)
class History:
    """An answer over time. wholes: what each part is a part of, by the same labels; empty without `of`."""

    question: Question
    step: timedelta
    parts: tuple[Series, ...]
    wholes: tuple[Series, ...] = ()


def step_of(started_at: datetime, until: datetime, finest: timedelta) -> timedelta:
    """The finest for most incidents; of a long one a multiple, so that the points stay few."""
    return finest * max(1, math.ceil((until - started_at + BEFORE) / finest / MOST_POINTS))


def span_of(started_at: datetime, until: datetime, step: timedelta) -> Span:
    """Aligned to the step, so that the queries of concurrent incidents are equal."""
    seconds = max(1, int(step.total_seconds()))
    first, last = started_at - BEFORE, max(until, started_at)
    begin, end = (int(at.timestamp()) // seconds * seconds for at in (first, last))
    return Span(datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(end, UTC))


def histories_for(
    questions: Iterable[Question], incident: Incident, scope: Sequence[str], span: Span, step: timedelta
) -> list[HistoryQueries]:
    """As queries_for() does for the questions that are asked once."""
    alerts = [alert.labels for alert in (incident.firing or tuple(incident.alerts.values()))]
    shared = common_labels(alerts)
    asked = []
    for question in questions:
        if question.role in HISTORIES and question.concerns(alerts):
            parts = expression(question.expr, shared, scope, step=step)
            whole = expression(question.of, shared, scope, step=step) if question.of else None
            if parts is not None:
                wholes = RangeQuery(whole, span, step) if whole else None
                asked.append(HistoryQueries(question, RangeQuery(parts, span, step), wholes))
    return asked


def history_of(asked: HistoryQueries, answers: Mapping[RangeQuery, HistoryAnswer]) -> History | Unknown:
    """The history, or why there is none."""
    found: list[tuple[Series, ...]] = []
    for query in asked.queries:
        answer = answers.get(query, Failure("not asked in time"))
        if isinstance(answer, Failure):
            return Unknown(asked.question.title, answer.why, answer.silent)
        found.append(answer)
    if not any(found):
        return Unknown(asked.question.title, NO_DATA)
    return History(asked.question, asked.parts.step, found[0], found[1] if len(found) > 1 else ())
