"""Asking for an incident's context: in parallel, within a budget, once for many.

Invariant: gather() returns within the budget whatever the server does, and never raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from bridge.clients.shared_queries import Observe, QueryLimits, SharedQueries, Source
from bridge.core.changes import CHANGE_RULES, SERVICE_LABELS, ChangeRule, began_to_serve, only_reports_changes
from bridge.core.context.enrichment import Answer, Query, QuestionQueries, fact_of, queries_for
from bridge.core.context.histories import histories_for, span_of
from bridge.core.context.hypotheses import Evidence, hypothesis_of
from bridge.core.context.questions import Question
from bridge.core.facts import ChangeEvent, Context, Fact, Unknown
from bridge.core.incidents.periods import firing_period
from bridge.core.model import Incident

__all__ = ["Gatherer", "Observe", "QueryLimits", "Source"]
BEGAN = "version_began"


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

    async def gather(
        self,
        incident: Incident,
        changes: Sequence[ChangeEvent],
        *,
        known: bool = True,
        learned: Sequence[Fact | Unknown] = (),
    ) -> Context:
        """known: False when the store did not answer, so that `changes` may lack some. learned: measured elsewhere."""
        began = time.monotonic()
        period, now = firing_period(incident), self._clock()
        started = period.started_at
        over = timedelta(seconds=max(0, int((now - (period.ended_at or now)).total_seconds())))
        questions = queries_for(self._questions, incident, self._scope, now - started, over)
        step = timedelta(seconds=self._limits.step)
        histories = histories_for(self._questions, incident, self._scope, span_of(started, now - over, step), step)
        # an answer of before the end says nothing of after it
        shared = min(self._limits.shared, over.total_seconds()) if period.ended_at else self._limits.shared
        answers = await self._queries.ask(
            {query for each in questions for query in each.queries},
            {query for each in histories for query in each.queries},
            shared,
        )
        facts, unknown, serving_since = _sorted(questions, answers.once)
        facts += [each for each in learned if isinstance(each, Fact)]
        unknown += [each for each in learned if isinstance(each, Unknown)]
        window = timedelta(seconds=self._limits.window)
        seen = began_to_serve(serving_since, _service_of(incident), changes)
        every = sorted([*changes, *seen], key=lambda change: change.at, reverse=True)
        recent = tuple(change for change in every if started - window <= change.at)
        evidence = Evidence(facts, recent, started, window, changes_known=known)
        hypothesis = None if only_reports_changes(incident, self._rules) else hypothesis_of(evidence)
        took = timedelta(seconds=time.monotonic() - began)
        found = (tuple(facts), tuple(unknown), recent, hypothesis, took)
        window = timedelta(seconds=self._limits.window)
        return Context(self._clock(), *found, changes_known=known, window=window)

    async def close(self) -> None:
        await self._queries.close()


def _sorted(
    questions: Iterable[QuestionQueries], answers: dict[Query, Answer]
) -> tuple[list[Fact], list[Unknown], dict[str, float]]:
    """The third: since when each new version serves. It is a change and no fact, and usually there is none."""
    every = [(each.question.role, fact_of(each, answers)) for each in questions]
    facts = [fact for role, fact in every if isinstance(fact, Fact) and role != BEGAN]
    began = [fact for role, fact in every if isinstance(fact, Fact) and role == BEGAN]
    unknown = [fact for role, fact in every if isinstance(fact, Unknown) and (role != BEGAN or fact.silent)]
    return facts, unknown, {part.name: part.value for fact in began for part in fact.parts}


def _service_of(incident: Incident) -> str:
    labels = [alert.labels for alert in (incident.firing or tuple(incident.alerts.values()))]
    named = (each[name] for each in labels for name in SERVICE_LABELS if each.get(name))
    return next(named, "")
