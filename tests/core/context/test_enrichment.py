"""Answers become facts: verdicts, the past, parts; and what is missing is said."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.context.enrichment import Answer, Failure, Query, QuestionQueries, Sample, fact_of, queries_for
from bridge.core.context.questions import Question
from bridge.core.facts import Fact, Part, Past, Unit, Unknown, Verdict
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Incident
from bridge.core.routing.matchers import parse_matchers
from tests.builders import a_group, an_alert, at

HOUR = timedelta(hours=1)


def a_question(**changes: Any) -> Question:
    fields: dict[str, Any] = {"name": "toxic", "title": "Toxic share", "unit": Unit.RATIO, "expr": "x", **changes}
    return Question(**fields)


def samples(*values: float, by: str = "pod") -> Answer:
    return tuple(Sample({by: f"p{index}"}, value, at(index)) for index, value in enumerate(values, 1))


def an_incident_of(*alerts: Alert) -> Incident:
    change = receive(None, a_group(*alerts), at(1), Rules(), "u")
    assert change is not None
    return change.incident


def the_fact(
    question: Question, now: Answer, usual: Answer | None = None, past: Answer | None = None
) -> Fact | Unknown:
    asked = QuestionQueries(question, Query("x"), Query("u"), (Query("x", HOUR),))
    answers: dict[Query, Answer] = {asked.now: now}
    answers |= {Query("u"): usual} if usual is not None else {}
    answers |= {Query("x", HOUR): past} if past is not None else {}
    return fact_of(asked, answers)


@pytest.mark.parametrize(
    ("changes", "value", "usual", "verdict", "why"),
    [
        ({}, 0.5, 0.1, Verdict.NEUTRAL, ""),
        ({"bad_above": 0.4}, 0.5, None, Verdict.BAD, "above 40 %"),
        ({"bad_above": 0.4}, 0.4, None, Verdict.GOOD, ""),
        ({"bad_below": 0.65}, 0.6, None, Verdict.BAD, "below 65 %"),
        ({"bad_times_usual": 2}, 0.5, 0.1, Verdict.BAD, "5 x what is usual"),
        ({"bad_times_usual": 2}, 0.15, 0.1, Verdict.GOOD, ""),
        ({"bad_times_usual": 2}, 0.5, None, Verdict.NEUTRAL, ""),
        ({"bad_times_usual": 2}, 0.011, 0.1, Verdict.NEUTRAL, "11 % of what is usual"),
        ({"bad_below": 0.65}, 0.71, 0.88, Verdict.NEUTRAL, ""),
        ({"bad_below": 0.65}, 0.87, 0.88, Verdict.GOOD, ""),
        ({"bad_above": 0.8}, 0.52, 0.05, Verdict.NEUTRAL, ""),
        ({"bad_above": 0.8}, 0.1, 0.05, Verdict.GOOD, ""),
        ({"bad_above": 0.4}, 0.3, 0.5, Verdict.GOOD, ""),
    ],
)
def test_a_verdict_stands_on_something(
    changes: dict[str, Any], value: float, usual: float | None, verdict: Verdict, why: str
) -> None:
    fact = the_fact(a_question(**changes), samples(value), samples(usual) if usual is not None else None)
    assert isinstance(fact, Fact)
    assert (verdict, why) == (fact.verdict, fact.why)


@pytest.mark.parametrize(
    ("bounds", "less"),
    [({"bad_above": 0.5}, False), ({"bad_below": 0.5}, True), ({"bad_unless_all": True}, True), ({}, False)],
)
def test_a_fact_says_which_way_it_gets_worse(bounds: dict[str, Any], less: bool) -> None:
    asked = QuestionQueries(a_question(**bounds), Query("up"), None, (), None)
    fact = fact_of(asked, {asked.now: samples(0.3)})
    assert isinstance(fact, Fact)
    assert less is fact.less_is_worse


def test_the_past_stands_beside_the_present() -> None:
    fact = the_fact(a_question(), samples(0.5), usual=samples(0.1), past=samples(0.2))
    assert isinstance(fact, Fact)
    assert (Past("usually", 0.1), Past("1 h ago", 0.2)) == fact.past
    assert at(1) == fact.at


def test_a_missing_past_only_makes_the_fact_poorer() -> None:
    fact = the_fact(a_question(), samples(0.5), usual=Failure("no"), past=())
    assert isinstance(fact, Fact)
    assert fact.past == ()


def test_parts_are_ordered_and_the_rest_is_summed() -> None:
    fact = the_fact(a_question(by="pod", unit=Unit.PER_SECOND), samples(1, 7, 3, 2, 4, 5, 0.5))
    assert isinstance(fact, Fact)
    assert fact.value == 22.5
    assert [Part("p2", 7), Part("p6", 5), Part("p5", 4), Part("p3", 3), Part("p4", 2)] == list(fact.parts[:5])
    assert Part("2 others", 1.5) == fact.parts[5]


def test_shares_have_no_sum() -> None:
    fact = the_fact(a_question(by="pod", bad_above=0.8), samples(0.5, 0.9))
    assert isinstance(fact, Fact)
    assert (fact.value, fact.verdict) == (None, Verdict.BAD)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Failure("Prometheus does not answer within 1.5 s"), "Prometheus does not answer within 1.5 s"),
        ((), "no data"),
        (samples(math.inf), "no data"),
        (samples(1, 2), "the query gave 2 values: aggregate it, or name the label that distinguishes them in `by`"),
    ],
)
def test_what_is_not_known_is_said(answer: Answer, why: str) -> None:
    assert Unknown("Toxic share", why, silent=isinstance(answer, Failure)) == the_fact(a_question(), answer)


def test_an_incident_is_asked_about_by_what_its_firing_alerts_share() -> None:
    group = a_group(an_alert(pod="a", job="api"), an_alert(pod="b", job="api"), an_alert(pod="c", job="x", ends=5))
    change = receive(None, group, at(9), Rules(), "u")
    assert change is not None
    questions = [
        a_question(expr="up{{{ labels }}}", usual="avg(up{{{ labels }}})", ago=(HOUR,)),
        a_question(name="pod", expr='up{pod="{{ labels.pod }}"}'),
        a_question(name="other", matchers=parse_matchers("cause=x")),
    ]
    (asked,) = queries_for(questions, change.incident, ("namespace", "job"), HOUR)
    expected = (Query('up{job="api"}'), Query('avg(up{job="api"})'), Query('up{job="api"}', HOUR))
    assert expected == asked.queries


@pytest.mark.parametrize(
    ("there", "verdict", "why", "of"),
    [
        (samples(3), Verdict.BAD, "1 missing", 3.0),
        (samples(2), Verdict.GOOD, "", 2.0),
        (Failure("slow"), Verdict.NEUTRAL, "", None),
        (None, Verdict.NEUTRAL, "", None),
    ],
)
def test_a_part_of_a_whole(there: Answer | None, verdict: Verdict, why: str, of: float | None) -> None:
    question = a_question(unit=Unit.COUNT, of="up", bad_unless_all=True)
    (asked,) = queries_for([question], an_incident_of(an_alert()), (), HOUR)
    assert Query("up") in asked.queries
    fact = fact_of(asked, {asked.now: samples(2)} | ({Query("up"): there} if there is not None else {}))
    assert isinstance(fact, Fact)
    assert (verdict, why, of) == (fact.verdict, fact.why, fact.of)


def test_each_part_has_its_own_whole() -> None:
    question = a_question(unit=Unit.COUNT, by="pod", of="all")
    asked = QuestionQueries(question, Query("x"), None, (), Query("all"))
    fact = fact_of(asked, {Query("x"): samples(2.0), Query("all"): samples(27.0, 30.0)})
    assert isinstance(fact, Fact)
    assert (fact.value, fact.of) == (2.0, 57.0)
    assert (Part("p1", 2.0, 27.0), Part("p2", 0.0, 30.0)) == fact.parts


def test_the_smallest_parts_are_one_with_their_wholes() -> None:
    question = a_question(unit=Unit.COUNT, by="pod", of="all")
    asked = QuestionQueries(question, Query("x"), None, (), Query("all"))
    fact = fact_of(asked, {Query("x"): samples(9.0, 8, 7, 6, 5, 4, 3), Query("all"): samples(*([10.0] * 7))})
    assert isinstance(fact, Fact) and Part("2 others", 7.0, 20.0) == fact.parts[-1]
