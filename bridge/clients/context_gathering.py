"""Asking for an incident's context: in parallel, within a budget, once for many.

Invariant: gather() returns within the budget whatever the server does, and never raises.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.clients.shared_queries import Answers, Observe, QueryLimits, SharedQueries, Source
from bridge.core.changes import (
    CHANGE_RULES,
    SERVICE_LABELS,
    ChangeRule,
    began_to_serve,
    concerning,
    only_reports_changes,
)
from bridge.core.charts.expression_limits import too_much
from bridge.core.charts.expressions import drawn_of, expression_in
from bridge.core.context.causes import Decision, decide
from bridge.core.context.enrichment import Answer, Failure, HistoryAnswer, Query, QuestionQueries, fact_of, queries_for
from bridge.core.context.evidence import Evidence, evidence_of, of_several_services
from bridge.core.context.histories import (
    NO_DATA,
    History,
    HistoryQueries,
    Stretch,
    histories_for,
    history_of,
    stretches_of,
)
from bridge.core.context.history_facts import facts_of, with_one_count, without_false_comfort
from bridge.core.context.questions import SYMPTOMS, Question
from bridge.core.context.series import RangeQuery, Series
from bridge.core.facts import ChangeEvent, Context, Fact, Unit, Unknown
from bridge.core.incidents.periods import firing_period
from bridge.core.model import Incident
from bridge.observability import logs

log = logs.get("context")
__all__ = ["Gatherer", "Observe", "QueryLimits", "Source"]
BEGAN = "version_began"
SEVERAL = "several services match: add the label that tells them apart to context.labels"
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
        asked = self._asked(incident, self._clock())
        answers = await self._queries.ask(asked.once, asked.over_time, asked.shared)
        # in a thread, for the comparison of a hundred pods takes a while
        context = await asyncio.to_thread(self._concluded, asked, answers, changes, known, learned)
        return replace(context, at=self._clock(), took=timedelta(seconds=time.monotonic() - began))

    async def close(self) -> None:
        await self._queries.close()

    def _asked(self, incident: Incident, now: datetime) -> _Asked:
        period = firing_period(incident)
        over = timedelta(seconds=max(0, int((now - (period.ended_at or now)).total_seconds())))
        stretches = stretches_of(period.started_at, now - over, timedelta(seconds=self._limits.step))
        questions = queries_for(self._questions, incident, self._scope, now - period.started_at, over)
        histories = histories_for(self._questions, incident, self._scope, stretches)
        about = any(each.question.role in SYMPTOMS for each in histories)
        own = [] if about else _own_expression(incident, stretches[0])
        # an answer of before the end says nothing of after it
        shared = min(self._limits.shared, over.total_seconds()) if period.ended_at else self._limits.shared
        return _Asked(incident, period.started_at, now - over, tuple(questions), tuple(histories), tuple(own), shared)

    def _concluded(
        self,
        asked: _Asked,
        answers: Answers,
        changes: Sequence[ChangeEvent],
        known: bool,
        learned: Sequence[Fact | Unknown],
    ) -> Context:
        facts, unknown, serving_since = _sorted(asked.questions, answers.once)
        over_time = [history_of(each, answers.over_time) for each in asked.histories]
        found = [each for each in over_time if isinstance(each, History)]
        unknown += [each for each in over_time if isinstance(each, Unknown) and each.why != NO_DATA]
        unknown += [Unknown(h.question.title, SEVERAL) for h in found if of_several_services(h, asked.labels)]
        unknown += [each for each in learned if isinstance(each, Unknown)]
        measured = [each for each in learned if isinstance(each, Fact)]
        window = timedelta(seconds=self._limits.window)
        cases = evidence_of(
            [*(fact for _, fact in facts), *measured], (), found, (asked.started, asked.until), window=window,
            changes_known=known, alerts=asked.labels, expression=_values(asked.own, answers.over_time),
        )  # fmt: skip
        seen = began_to_serve(
            cases[0].versions.began or _not_all(serving_since, cases[0]), _service_of(asked.incident), changes
        )
        every = sorted([*changes, *seen], key=lambda change: change.at, reverse=True)
        recent = tuple(change for change in every if asked.started - window <= change.at)
        decision = _decided([replace(case, changes=tuple(concerning(recent, asked.labels))) for case in cases])
        measured_now = with_one_count(_in_order(self._questions, facts, found, cases), cases[0])
        shown = without_false_comfort(measured_now, cases[0])
        hypothesis = None if only_reports_changes(asked.incident, self._rules) else decision.hypothesis
        return Context(
            asked.until, (*shown, *measured), tuple(unknown), recent, hypothesis, onset=decision.onset,
            looked_at=decision.looked_at, changes_known=known, window=window,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked about one incident. until: now, or its end. own: the alert's own expression."""

    incident: Incident
    started: datetime
    until: datetime
    questions: tuple[QuestionQueries, ...]
    histories: tuple[HistoryQueries, ...]
    own: tuple[HistoryQueries, ...]
    shared: float  #: seconds that an answer is valid

    @property
    def labels(self) -> list[Mapping[str, str]]:
        return [alert.labels for alert in (self.incident.firing or tuple(self.incident.alerts.values()))]

    @property
    def once(self) -> set[Query]:
        return {query for each in self.questions for query in each.queries}

    @property
    def over_time(self) -> set[RangeQuery]:
        return {query for each in (*self.histories, *self.own) for query in each.queries}


def _decided(cases: Sequence[Evidence]) -> Decision:
    """A fault in a rule costs the cause, and never the facts."""
    try:
        return decide(cases)
    except Exception:
        log.exception("cause_bug")
        return Decision(None, None, ())


def _own_expression(incident: Incident, onset: Stretch) -> list[HistoryQueries]:
    """Around the onset, where no question asks for what the alert is about.

    It comes with the alert, so it is bounded as for charts.
    """
    alert = next((each for each in incident.firing if each.generator_url), None)
    expr = expression_in(alert.generator_url) if alert is not None else None
    if expr is None or too_much(expr) is not None:
        return []
    drawn = drawn_of(expr)
    if drawn.threshold is None or drawn.threshold.operator not in (">", ">="):
        return []
    return [HistoryQueries(OWN, (onset,), (RangeQuery(drawn.expr, onset.span, onset.step),))]


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
