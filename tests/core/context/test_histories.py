"""Histories are asked from well before an incident, in few points, and equal ones are equal queries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.core.context.enrichment import Failure, HistoryAnswer
from bridge.core.context.histories import History, histories_for, history_of, span_of, step_of
from bridge.core.context.questions import Question
from bridge.core.context.series import Series
from bridge.core.facts import Unit, Unknown
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Incident
from tests.builders import a_group, an_alert, at

MINUTE = timedelta(minutes=1)
FAILURES = Question(
    "failing",
    "Failed",
    Unit.RATIO,
    "rate(bad{{{ labels }}}[{{ window }}])",
    of="rate(all[{{ window }}])",
    role="failures",
)


def an_incident() -> Incident:
    change = receive(None, a_group(an_alert(job="api")), at(1), Rules(), "u")
    assert change is not None
    return change.incident


@pytest.mark.parametrize(("lasted", "minutes"), [(5, 1), (60, 1), (170, 1), (300, 2), (60 * 24 * 30, 121)])
def test_a_history_has_few_points_however_long_the_incident(lasted: int, minutes: int) -> None:
    until = at(0) + lasted * MINUTE
    step = step_of(at(0), until, MINUTE)
    span = span_of(at(0), until, step)
    assert step == minutes * MINUTE and span.seconds / step.total_seconds() <= 361
    assert span.start <= at(0) - timedelta(hours=2) and until - span.end < step


def test_incidents_of_the_same_minute_ask_the_same() -> None:
    assert span_of(at(1), at(61), MINUTE) == span_of(at(2), at(62), MINUTE)


def test_a_history_is_asked_in_windows_of_two_steps() -> None:
    (asked,) = histories_for(
        [FAILURES, Question("x", "X", Unit.COUNT, "x")], an_incident(), ("job",), span_of(at(0), at(60), MINUTE), MINUTE
    )
    assert ['rate(bad{job="api"}[120s])', "rate(all[120s])"] == [query.expr for query in asked.queries]


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (((Series({}, ((0.0, 1.0),)),), ()), True),
        (((), ()), "no data"),
        ((Failure("late"), ()), "late"),
        (((), Failure("late")), "late"),
    ],
)
def test_half_an_answer_is_none(answers: tuple[HistoryAnswer, HistoryAnswer], found: bool | str) -> None:
    (asked,) = histories_for([FAILURES], an_incident(), ("job",), span_of(at(0), at(60), MINUTE), MINUTE)
    history = history_of(asked, dict(zip(asked.queries, answers, strict=True)))
    assert history.why == found if isinstance(history, Unknown) else found is isinstance(history, History)
