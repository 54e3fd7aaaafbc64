"""Asking for an incident's context: in parallel, within a budget, once for many.

Invariant: gather() returns within the budget whatever the server does, and never raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bridge.clients.shared_queries import Observe, QueryLimits, SharedQueries, Source
from bridge.core.changes import (
    CHANGE_RULES,
    SERVICE_LABELS,
    ChangeRule,
    began_to_serve,
    concerning,
    only_reports_changes,
)  # fmt: skip
from bridge.core.charts.expression_limits import too_much
from bridge.core.charts.expressions import drawn_of, expression_in
from bridge.core.context.causes import decide
from bridge.core.context.enrichment import Answer, Failure, HistoryAnswer, Query, QuestionQueries, fact_of, queries_for
from bridge.core.context.evidence import Evidence, evidence_of
from bridge.core.context.histories import NO_DATA, History, HistoryQueries, histories_for, history_of, span_of
from bridge.core.context.history_facts import facts_of, without_false_comfort
from bridge.core.context.questions import SYMPTOMS, Question
from bridge.core.context.series import RangeQuery, Series, Span
from bridge.core.facts import ChangeEvent, Context, Fact, Unit, Unknown
from bridge.core.incidents.periods import firing_period
from bridge.core.model import Incident

__all__ = ["Gatherer", "Observe", "QueryLimits", "Source"]
BEGAN = "version_began"
OWN = Question("own_expression", "The alert's expression", Unit.NUMBER, "")


class Gatherer:
    """Shares answers among incidents and channels. Use it inside one running loop."""

    def __init__(
        self,
        source: Source,
        questions: Sequence[Question],
        scope: Sequence[str],
        limits: QueryLimits,
        clock: Callable[[], datetime],
        observe: Observe = lambda outcome, seconds: None,
        rules: Sequence[ChangeRule] = CHANGE_RULES,
    ) -> None:
        """rules: which alerts announce changes."""
        self._questions, self._scope = questions, scope
        self._limits, self._clock, self._rules = limits, clock, rules
        self._queries = SharedQueries(source, limits, observe)

    async def gather(self, incident: Incident, changes: Sequence[ChangeEvent], *, known: bool = True) -> Context:
        """known: False when the store did not answer, so that `changes` may lack some."""
        began = time.monotonic()
        period, now = firing_period(incident), self._clock()
        started = period.started_at
        over = timedelta(seconds=max(0, int((now - (period.ended_at or now)).total_seconds())))
        questions = queries_for(self._questions, incident, self._scope, now - started, over)
        step = timedelta(seconds=self._limits.step)
        histories = histories_for(self._questions, incident, self._scope, span_of(started, now - over, step), step)
        # an answer of before the end says nothing of after it
        shared = min(self._limits.shared, over.total_seconds()) if period.ended_at else self._limits.shared
        own = self._expression(incident, histories, span_of(started, now - over, step), step)
        answers = await self._queries.ask(
            {query for each in questions for query in each.queries},
            {query for each in (*histories, *own) for query in each.queries},
            shared,
        )
        facts, unknown, serving_since = _sorted(questions, answers.once)
        over_time = [history_of(each, answers.over_time) for each in histories]
        found = [each for each in over_time if isinstance(each, History)]
        unknown += [each for each in over_time if isinstance(each, Unknown) and (each.silent or each.why != NO_DATA)]
        labels = [alert.labels for alert in (incident.firing or tuple(incident.alerts.values()))]
        window = timedelta(seconds=self._limits.window)
        cases = evidence_of(
            [fact for _, fact in facts], [], found, (started, now - over), window=window, changes_known=known,
            alerts=labels, expression=_values(own, answers.over_time),
        )  # fmt: skip
        began_serving = cases[0].versions.began or _not_all(serving_since, cases[0])
        seen = began_to_serve(began_serving, _service_of(incident), changes)
        every = sorted([*changes, *seen], key=lambda change: change.at, reverse=True)
        recent = tuple(change for change in every if started - window <= change.at <= now)
        mine = tuple(concerning(recent, labels)) if any(labels) else recent
        decision = decide([replace(case, changes=mine) for case in cases])
        shown = _in_order(self._questions, facts, found, cases)
        took = timedelta(seconds=time.monotonic() - began)
        return Context(
            self._clock(),
            tuple(without_false_comfort(shown, cases[0])),
            tuple(unknown),
            recent,
            None if only_reports_changes(incident, self._rules) else decision.hypothesis,
            took,
            decision.onset,
            decision.looked_at,
            known,
            window,
        )

    def _expression(
        self, incident: Incident, histories: Sequence[HistoryQueries], span: Span, step: timedelta
    ) -> list[HistoryQueries]:
        """The alert's own expression over time, where no question asks for what it is about."""
        if any(each.question.role in SYMPTOMS for each in histories):
            return []
        alert = next((each for each in incident.firing if each.generator_url), None)
        expr = expression_in(alert.generator_url) if alert is not None else None
        if expr is None or too_much(expr) is not None:
            return []
        drawn = drawn_of(expr)
        if drawn.threshold is None or drawn.threshold.operator not in (">", ">="):
            return []
        return [HistoryQueries(OWN, RangeQuery(drawn.expr, span, step), None)]

    async def close(self) -> None:
        await self._queries.close()


def _sorted(
    questions: Iterable[QuestionQueries], answers: Mapping[Query, Answer]
) -> tuple[list[tuple[str, Fact]], list[Unknown], dict[str, float]]:
    """Facts by the name of their question. The third: since when each new version serves, a change and no fact."""
    every = [(each.question, fact_of(each, answers)) for each in questions]
    facts = [(question.name, fact) for question, fact in every if isinstance(fact, Fact) and question.role != BEGAN]
    began = [fact for question, fact in every if isinstance(fact, Fact) and question.role == BEGAN]
    unknown = [
        fact for question, fact in every if isinstance(fact, Unknown) and (question.role != BEGAN or fact.silent)
    ]
    return facts, unknown, {part.name: part.value for fact in began for part in fact.parts}


def _in_order(
    questions: Iterable[Question], once: Iterable[tuple[str, Fact]], over_time: Iterable[History], cases: list[Evidence]
) -> list[Fact]:
    found: dict[str, list[Fact]] = {name: [fact] for name, fact in once}
    found |= {each.question.name: facts_of(each, cases) for each in over_time}
    return [fact for question in questions for fact in found.get(question.name, ())]


def _not_all(began: Mapping[str, float], case: Evidence) -> Mapping[str, float]:
    """Nothing when every version that runs is new: then none was seen before, and no history is not news."""
    running = case.fact("pods_by_version")
    names = {part.name for part in running.parts} if running is not None else set()
    return {} if names and names <= set(began) else began


def _values(own: Iterable[HistoryQueries], answers: Mapping[RangeQuery, HistoryAnswer]) -> list[Series]:
    found = (answers.get(query, ()) for each in own for query in each.queries)
    return [series for answer in found if not isinstance(answer, Failure) for series in answer]


def _service_of(incident: Incident) -> str:
    labels = [alert.labels for alert in (incident.firing or tuple(incident.alerts.values()))]
    named = (each[name] for each in labels for name in SERVICE_LABELS if each.get(name))
    return next(named, "")
