"""The budget, the sharing and the pause, with a source that the test holds in its hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.clients.context_gathering import Gatherer, QueryLimits
from bridge.clients.shared_queries import SharedQueries
from bridge.core.context.enrichment import Answer, Failure, HistoryAnswer, Query, Sample
from bridge.core.context.questions import Question
from bridge.core.context.series import RangeQuery, Series, Span
from bridge.core.facts import ChangeEvent, Context, Unit
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Incident, State
from tests.builders import a_group, an_alert, at

QUESTIONS = (
    Question("toxic", "Toxic share", Unit.RATIO, "toxic{{{ labels }}}", ago=(timedelta(hours=1),), bad_above=0.3),
    Question("errors", "Errors", Unit.PER_SECOND, "errors{{{ labels }}}", by="version", role="errors_by_version"),
)


class Source:
    """Answers each query with what `answers` has for its first word, after `delay` seconds."""

    name = "Prometheus"

    def __init__(self, delay: float = 0.0, **answers: Answer) -> None:
        self.delay, self.answers = delay, answers
        self.histories: dict[str, HistoryAnswer] = {}
        self.asked: list[Query] = []
        self.asked_over_time: list[RangeQuery] = []
        self.closed = False

    async def query(self, query: Query, timeout_seconds: float) -> Answer:
        self.asked.append(query)
        await asyncio.sleep(self.delay)
        return self.answers.get(query.expr.partition("{")[0], Failure("Prometheus does not answer"))

    async def query_range(self, query: RangeQuery, timeout_seconds: float) -> HistoryAnswer:
        self.asked_over_time.append(query)
        await asyncio.sleep(self.delay)
        return self.histories.get(query.expr.partition("{")[0], Failure("Prometheus does not answer"))

    async def close(self) -> None:
        self.closed = True


TOXIC = (Sample({}, 0.5, at(0)),)
ERRORS = (Sample({"version": "v2"}, 9.0, at(0)), Sample({"version": "v1"}, 1.0, at(0)))


def an_incident(**labels: Any) -> Incident:
    change = receive(None, a_group(an_alert(**labels)), at(1), Rules(), "u")
    assert change is not None
    return change.incident


def gathered(
    source: Source,
    incidents: Sequence[Incident],
    changes: Sequence[ChangeEvent] = (),
    questions: Sequence[Question] = QUESTIONS,
    **limits: Any,
) -> list[Context]:
    """The contexts of incidents that are asked about at the same time."""

    async def gather() -> list[Context]:
        gatherer = Gatherer(source, questions, ("job",), QueryLimits(**limits), lambda: at(30))
        try:
            return list(await asyncio.gather(*(gatherer.gather(each, changes) for each in incidents)))
        finally:
            await gatherer.close()

    return asyncio.run(gather())


def test_facts_come_in_the_order_of_the_questions() -> None:
    source = Source(toxic=TOXIC, errors=ERRORS)
    (context,) = gathered(source, [an_incident(job="api")])
    assert [fact.name for fact in context.facts] == ["toxic", "errors"]
    assert context.complete
    assert at(30) == context.at
    assert {'toxic{job="api"}', 'errors{job="api"}'} == {query.expr for query in source.asked}
    assert source.closed


def test_a_storm_asks_once() -> None:
    source = Source(toxic=TOXIC, errors=ERRORS)
    contexts = gathered(source, [an_incident(job="api", pod=f"p{index}") for index in range(200)])
    assert len(contexts) == 200
    assert len(source.asked) == 3  # two questions, one of them for an hour ago as well


def test_the_budget_holds_whatever_the_source_does() -> None:
    source = Source(delay=60.0, toxic=TOXIC)
    (context,) = gathered(source, [an_incident(job="api")], budget=0.05)
    assert context.facts == ()
    expected = "Prometheus does not answer within 0.1 s"
    assert [("Toxic share", expected), ("Errors", expected)] == [(each.title, each.why) for each in context.unknown]


def test_what_came_in_time_is_a_fact_and_the_rest_is_said_to_be_missing() -> None:
    (context,) = gathered(Source(errors=ERRORS), [an_incident(job="api")])
    assert [fact.name for fact in context.facts] == ["errors"]
    assert [each.title for each in context.unknown] == ["Toxic share"]


def test_a_server_that_fails_is_left_alone_for_a_while() -> None:
    async def ask() -> tuple[int, Context]:
        source = Source()
        gatherer = Gatherer(
            source, QUESTIONS, ("job",), QueryLimits(failures=3, pause=60.0, shared=0.0), lambda: at(30)
        )
        await gatherer.gather(an_incident(job="a"), ())
        before = len(source.asked)
        context = await gatherer.gather(an_incident(job="b"), ())
        await gatherer.close()
        return len(source.asked) - before, context

    asked, context = asyncio.run(ask())
    assert asked == 0
    assert all("has not answered lately" in each.why for each in context.unknown)


def test_after_the_pause_one_query_probes() -> None:
    async def ask() -> list[int]:
        source, outcomes = Source(), list[str]()
        limits = QueryLimits(failures=3, pause=0.05, shared=0.0, parallel=1)
        gatherer = Gatherer(source, QUESTIONS, ("job",), limits, lambda: at(30), lambda o, s: outcomes.append(o))
        await gatherer.gather(an_incident(job="a"), ())
        await asyncio.sleep(0.1)
        before = len(source.asked)
        await gatherer.gather(an_incident(job="b"), ())
        probes = len(source.asked) - before
        source.answers = {"toxic": TOXIC, "errors": ERRORS}
        await asyncio.sleep(0.1)
        complete = (await gatherer.gather(an_incident(job="c"), ())).complete
        await gatherer.close()
        return [probes, outcomes.count("paused") >= 2, complete]

    assert asyncio.run(ask()) == [1, True, True]


def test_a_deployment_with_evidence_becomes_a_hypothesis() -> None:
    source = Source(toxic=TOXIC, errors=ERRORS)
    deploy = ChangeEvent("deploy", "api", at(-300), "v2 was deployed", version="v2")
    old = ChangeEvent("deploy", "api", at(-30_000), "v1 was deployed", version="v1")
    (context,) = gathered(source, [an_incident(job="api")], [deploy, old])
    assert (deploy,) == context.changes
    assert context.hypothesis is not None
    assert context.hypothesis.rule == "version_fails"


def test_a_deployment_is_not_explained_by_itself() -> None:
    change = ChangeEvent("deploy", "api", at(0), "api v2 was deployed", "v2", labels={"job": "api"})
    told, failing = (an_incident(alertname=name, job="api") for name in ("MLModelDeployed", "HighErrors"))
    contexts = gathered(Source(toxic=TOXIC, errors=ERRORS), [told, failing], [change])
    assert [context.hypothesis and context.hypothesis.rule for context in contexts] == [None, "version_fails"]
    assert [len(context.changes) for context in contexts] == [1, 1]


BEGAN = Question("began", "New versions", Unit.NUMBER, "began{{{ labels }}}", by="version", role="version_began")


def began(answer: Answer, *changes: ChangeEvent) -> Context:
    source = Source(toxic=TOXIC, errors=ERRORS, began=answer)
    (context,) = gathered(source, [an_incident(job="api")], changes, questions=(*QUESTIONS, BEGAN))
    return context


def test_an_unreported_version_is_seen_in_the_metrics_and_is_a_change_and_no_fact() -> None:
    context = began((Sample({"version": "v2"}, at(-300).timestamp(), at(0)),))
    assert [("v2", at(-300))] == [(change.version, change.at) for change in context.changes]
    assert [fact.name for fact in context.facts] == ["toxic", "errors"]
    assert context.hypothesis is not None
    assert context.hypothesis.rule == "version_fails"


def test_a_reported_version_is_one_change() -> None:
    deploy = ChangeEvent("deploy", "api", at(-320), "v2 was deployed", version="v2")
    assert (deploy,) == began((Sample({"version": "v2"}, at(-300).timestamp(), at(0)),), deploy).changes


def test_no_new_version_is_no_news_and_an_unanswered_question_is() -> None:
    assert began(()).unknown == ()
    assert [each.title for each in began(Failure("Prometheus does not answer")).unknown] == ["New versions"]


def test_the_peak_is_that_of_the_incident() -> None:
    peak = Question("peak", "At worst", Unit.RATIO, "max_over_time(toxic[{{ duration }}])", role="peak")
    source = Source()
    gathered(source, [an_incident(job="api")], questions=(peak,))  # it began half a minute before the clock's time
    assert [query.expr for query in source.asked] == ["max_over_time(toxic[1m])"]


def test_histories_share_the_budget_and_the_answers() -> None:
    history = Question(
        "failing", "Failing", Unit.RATIO, "failed{{{ labels }}}", of="all{{{ labels }}}", role="failures"
    )
    source = Source(delay=60.0)
    contexts = gathered(source, [an_incident(job="api") for _ in range(9)], questions=(history,), budget=0.05)
    assert len(contexts) == 9
    assert sorted(query.expr for query in source.asked_over_time) == ['all{job="api"}', 'failed{job="api"}']


class Measured(Source):
    """Three pods since ever, of which one stopped to answer; since the alert's start, half of what is asked fails."""

    def __init__(self, fired: float, now: float, dead_for: float) -> None:
        super().__init__()
        self.fired, self.now, self.dead_for = fired, now, dead_for

    async def query_range(self, query: RangeQuery, timeout_seconds: float) -> HistoryAnswer:
        begin, step = query.span.start.timestamp(), query.step.total_seconds()
        times = [begin + step * index for index in range(int(query.span.seconds / step) + 1)]
        return tuple(
            Series({"job": "api", "pod": pod}, tuple((time, self.value(query.expr[:2], pod, time)) for time in times))
            for pod in ("a", "b", "c")
        )

    def value(self, what: str, pod: str, time: float) -> float:
        dead = pod == "a" and time > self.now - self.dead_for
        if what == "up":
            return 0.0 if dead else 1.0
        share = 1.0 if what == "al" else 0.5 if time > self.fired - 120 else 0.0
        return 0.0 if dead else share


@pytest.mark.parametrize("hours", [1, 2.9, 3.1, 5, 20, 72, 24 * 30])
@pytest.mark.parametrize("ended_before", [0, 600])
def test_what_is_so_now_is_measured_now_however_long_it_lasts(hours: float, ended_before: float) -> None:
    lasted = timedelta(hours=hours)
    fired, until = at(0), at(0) + lasted
    opened = receive(None, a_group(an_alert(job="api")), at(1), Rules(), "u")
    assert opened is not None
    incident = opened.incident
    if ended_before:
        incident = replace(incident, state=State.RESOLVED, resolved_at=until, ended_at=until)
    questions = (
        Question("targets", "Pods", Unit.COUNT, "up[{{ window }}]", role="targets"),
        Question("failing", "Failed", Unit.RATIO, "bad[{{ window }}]", of="all[{{ window }}]", role="failures"),
    )
    source = Measured(fired.timestamp(), until.timestamp(), dead_for=270)

    async def gather() -> Context:
        clock = until + timedelta(seconds=ended_before)
        gatherer = Gatherer(source, questions, ("job",), QueryLimits(budget=30.0), lambda: clock)
        return await gatherer.gather(incident, ())

    context = asyncio.run(gather())
    targets, lately = (next(fact for fact in context.facts if fact.name == name) for name in ("targets", "failing"))
    assert (targets.value, targets.of) == (2, 3)
    assert lately.title == "Failed in 5 min" and lately.of is not None and 600 <= lately.of <= 720
    assert lately.value == pytest.approx(lately.of / 2, abs=1)
    assert context.onset is not None and abs(context.onset.at - fired) <= timedelta(minutes=4)
    since = next(fact for fact in context.facts if fact.role == "symptom_by_pod")
    assert [part.of for part in since.parts if part.name == "b"] == [
        pytest.approx(lasted.total_seconds(), rel=0.05, abs=300)
    ]
    assert all(query.span.seconds / query.step.total_seconds() <= 360 for query in source.asked_over_time)


def test_answers_are_forgotten_when_they_are_valid_no_more() -> None:
    """An hour of a hundred pods has megabytes, and the next incident may come tomorrow."""

    async def kept() -> tuple[int, int]:
        queries = SharedQueries(Source(toxic=TOXIC), QueryLimits(shared=0.05), lambda outcome, seconds: None)
        await queries.ask([Query("toxic{}")], [RangeQuery("toxic{}", Span(at(0), at(60)), timedelta(seconds=60))], 0.05)
        at_first = queries.kept
        async with asyncio.timeout(60):
            while queries.kept:
                await asyncio.sleep(0.01)
        return at_first, queries.kept

    assert asyncio.run(kept()) == (2, 0)
