"""Questions become PromQL for one incident, and no label value can add PromQL of its own."""

from __future__ import annotations

from datetime import timedelta

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.context.questions import Question, QuestionFault, check_expression, common_labels, expression
from bridge.core.facts import Unit
from bridge.core.routing.matchers import parse_matchers

SCOPE = ("namespace", "job")


@pytest.mark.parametrize(
    ("expr", "labels", "asked"),
    [
        ("up{{{ labels }}}", {"namespace": "ml", "job": "api"}, 'up{namespace="ml",job="api"}'),
        ("up{{{ labels }}}", {"job": "api", "pod": "a"}, 'up{job="api"}'),
        ("up{{{ labels }}}", {}, "up{}"),
        ('up{pod="{{ labels.pod }}"}', {"pod": 'a"} or vector(1) #'}, 'up{pod="a\\"} or vector(1) #"}'),
        ('up{pod="{{labels.pod}}"}', {"pod": "a\\"}, 'up{pod="a\\\\"}'),
        ('up{pod="{{ labels.pod }}"}', {"job": "api"}, None),
        ("max_over_time(up[{{ duration }}])", {}, "max_over_time(up[21m])"),
    ],
)
def test_labels_are_put_in(expr: str, labels: dict[str, str], asked: str | None) -> None:
    assert asked == expression(expr, labels, SCOPE, timedelta(minutes=20, seconds=1))


@given(st.text(min_size=1))
def test_a_value_stays_a_value(value: str) -> None:
    """Whatever the value, what the parser reads is one selector with exactly this value."""
    asked = expression('up{job="x",pod="{{ labels.pod }}"}', {"pod": value}, SCOPE)
    assert asked is not None
    if any(ord(letter) in range(0xD800, 0xE000) for letter in value) or "\0" in value:
        return  # no server is sent these: alerts are cleaned when they come in
    parsed = promql_parser.parse(asked)
    assert isinstance(parsed, promql_parser.VectorSelector)
    assert [("job", "x"), ("pod", value)] == [(m.name, m.value) for m in parsed.matchers.matchers]


@pytest.mark.parametrize(
    ("expr", "told"),
    [
        ("up{pod={{ labels.pod }}}", "double quotes"),
        ('up{x="{{ labels }}"}', "out of the quotes"),
        ('up{x="{{ label.pod }}"}', "not a known placeholder"),
        ('up{x="{{ duration }}"}', "a time"),
        ('up{x="\\"{{ labels.pod }}"}', ""),
    ],
)
def test_places_are_checked(expr: str, told: str) -> None:
    if not told:
        check_expression(expr)
        return
    with pytest.raises(QuestionFault, match=told):
        check_expression(expr)


def test_only_what_all_alerts_share_narrows_a_question() -> None:
    shared = common_labels([{"job": "api", "pod": "a", "über": "x"}, {"job": "api", "pod": "b", "über": "x"}])
    assert shared == {"job": "api"}


def test_a_question_is_asked_for_the_alerts_that_it_names() -> None:
    question = Question("a", "A", Unit.COUNT, "up", matchers=parse_matchers('cause=~"errors|latency"'))
    assert question.concerns([{"cause": "memory"}, {"cause": "errors"}])
    assert not question.concerns([{"cause": "memory"}])
    assert Question("a", "A", Unit.COUNT, "up").concerns([{"cause": "memory"}])
