"""Asking for an incident's context: in parallel, within a budget, once for many.

Invariant: gather() returns within the budget whatever the server does, and never raises.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bridge.core.changes import CHANGE_RULES, SERVICE_LABELS, ChangeRule, began_to_serve, only_reports_changes
from bridge.core.context.enrichment import Answer, Failure, Query, QuestionQueries, fact_of, queries_for
from bridge.core.context.hypotheses import Evidence, hypothesis_of
from bridge.core.context.questions import Question
from bridge.core.facts import ChangeEvent, Context, Fact, Unknown
from bridge.core.incidents.periods import firing_period
from bridge.core.model import Incident

BEGAN = "version_began"
Observe = Callable[[str, float], None]


class Source(Protocol):
    @property
    def name(self) -> str: ...

    async def query(self, query: Query, timeout_seconds: float) -> Answer: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Seconds, but for the counts."""

    budget: float = 1.5  #: for the whole context of one message
    per_query: float = 1.0
    shared: float = 5.0  #: one answer serves all equal queries within this time
    parallel: int = 8
    failures: int = 3  #: after so many in a row the server is left alone ...
    pause: float = 20.0  #: ... for this long
    window: float = 7200.0  #: how long before an incident its cause is looked for


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
        self._source, self._questions, self._scope = source, questions, scope
        self._limits, self._clock, self._observe = limits, clock, observe
        self._rules = rules
        self._answers: dict[Query, tuple[float, asyncio.Task[Answer]]] = {}
        self._slots = asyncio.Semaphore(limits.parallel)
        self._failed, self._rest_until = 0, 0.0

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
        # an answer of before the end says nothing of after it
        shared = min(self._limits.shared, over.total_seconds()) if period.ended_at else self._limits.shared
        answers = await self._within_budget({query for each in questions for query in each.queries}, shared)
        facts, unknown, serving_since = self._sorted(questions, answers)
        facts += [each for each in learned if isinstance(each, Fact)]
        unknown += [each for each in learned if isinstance(each, Unknown)]
        window = timedelta(seconds=self._limits.window)
        seen = began_to_serve(serving_since, _service_of(incident), changes)
        every = sorted([*changes, *seen], key=lambda change: change.at, reverse=True)
        recent = [change for change in every if started - window <= change.at]
        evidence = Evidence(facts, recent, started, window, changes_known=known)
        hypothesis = None if only_reports_changes(incident, self._rules) else hypothesis_of(evidence)
        took = timedelta(seconds=time.monotonic() - began)
        return Context(self._clock(), tuple(facts), tuple(unknown), tuple(recent), hypothesis, took)

    async def close(self) -> None:
        tasks = [task for _, task in self._answers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._source.close()

    def _sorted(
        self, questions: Iterable[QuestionQueries], answers: dict[Query, Answer]
    ) -> tuple[list[Fact], list[Unknown], dict[str, float]]:
        """The third: since when each new version serves. It is a change and no fact, and usually there is none."""
        every = [(each.question.role, fact_of(each, answers)) for each in questions]
        facts = [fact for role, fact in every if isinstance(fact, Fact) and role != BEGAN]
        began = [fact for role, fact in every if isinstance(fact, Fact) and role == BEGAN]
        unknown = [fact for role, fact in every if isinstance(fact, Unknown) and (role != BEGAN or fact.silent)]
        return facts, unknown, {part.name: part.value for fact in began for part in fact.parts}

    async def _within_budget(self, queries: set[Query], shared: float) -> dict[Query, Answer]:
        """A query that is late goes on: the next message may have its answer."""
        tasks = {query: self._shared(query, shared) for query in queries}
        if tasks:
            await asyncio.wait(tasks.values(), timeout=self._limits.budget)
        late = Failure(f"{self._source.name} does not answer within {self._limits.budget:.1f} s")
        return {query: task.result() if task.done() and not task.cancelled() else late for query, task in tasks.items()}

    def _shared(self, query: Query, shared: float) -> asyncio.Task[Answer]:
        now = time.monotonic()
        at, task = self._answers.get(query, (0.0, None))
        if task is None or (task.done() and now - at > shared):
            self._forget(now)
            task = asyncio.create_task(self._ask(query))
            self._answers[query] = (now, task)
        return task

    def _forget(self, now: float) -> None:
        if len(self._answers) > 500:
            fresh = {q: (at, t) for q, (at, t) in self._answers.items() if now - at <= self._limits.shared}
            self._answers = {**fresh, **{q: entry for q, entry in self._answers.items() if not entry[1].done()}}

    async def _ask(self, query: Query) -> Answer:
        async with self._slots:
            rest = self._rest_until - time.monotonic()
            if rest > 0:
                self._observe("paused", 0.0)
                return Failure(f"{self._source.name} has not answered lately; it is asked again in {rest:.0f} s")
            return await self._observed(self._source.query(query, self._limits.per_query))

    async def _observed(self, work: Awaitable[Answer]) -> Answer:
        began = time.monotonic()
        answer = await work
        silent = isinstance(answer, Failure) and answer.silent
        self._failed = self._failed + 1 if silent else 0
        if self._failed >= self._limits.failures:
            self._rest_until = time.monotonic() + self._limits.pause
            self._failed = self._limits.failures - 1  # one probe after the pause, not three
        outcome = "ok" if not isinstance(answer, Failure) else "failed" if silent else "refused"
        self._observe(outcome, time.monotonic() - began)
        return answer


def _service_of(incident: Incident) -> str:
    labels = [alert.labels for alert in (incident.firing or tuple(incident.alerts.values()))]
    named = (each[name] for each in labels for name in SERVICE_LABELS if each.get(name))
    return next(named, "")
