"""Histories are asked from well before an incident, in few points, and equal ones are equal queries."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from bridge.core.context.enrichment import Failure, HistoryAnswer
from bridge.core.context.histories import MOST_POINTS, History, histories_for, history_of, stretches_of
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


@pytest.mark.parametrize("lasted", [0, 5, 60, 180, 181, 200, 300, 360, 361, 1200, 60 * 24 * 3, 60 * 24 * 30])
@pytest.mark.parametrize("finest", [15, 60, 300])
def test_a_history_is_fine_around_the_onset_and_now_and_has_few_points(lasted: int, finest: int) -> None:
    until = at(17) + lasted * MINUTE
    every = stretches_of(at(17), until, timedelta(seconds=finest))
    fine, last = every[0].step, every[-1]
    assert fine <= max(MINUTE, timedelta(seconds=finest)) and last.step == fine
    assert every[0].span.start <= at(17) - timedelta(hours=2) and timedelta(0) <= until - last.span.end < fine
    assert until <= every[0].span.end + fine or every[0].span.end > at(17) + timedelta(minutes=55)
    assert len(every) == 1 or last.span.start < until - timedelta(minutes=55)
    assert all(one.span.end + next_.step == next_.span.start for one, next_ in itertools.pairwise(every))
    assert sum(each.span.seconds / each.step.total_seconds() + 1 for each in every) <= 1.2 * MOST_POINTS


def test_each_point_counts_for_its_own_step() -> None:
    stretches = stretches_of(at(0), at(0) + timedelta(days=3), MINUTE)
    (asked,) = histories_for([FAILURES], an_incident(), ("job",), stretches)
    times = [
        each.span.start.timestamp() + index * each.step.total_seconds()
        for each in stretches
        for index in range(int(each.span.seconds / each.step.total_seconds()) + 1)
    ]
    answers = {query: (Series({}, ((query.span.start.timestamp(), 1.0),)),) for query in asked.queries}
    history = history_of(asked, answers)
    assert isinstance(history, History) and len(history.parts[0].points) == 3
    assert [history.seconds_before(one) for one in times[1:]] == [
        one - other for other, one in itertools.pairwise(times)
    ]


def test_incidents_of_the_same_minute_ask_the_same() -> None:
    assert stretches_of(at(1), at(61), MINUTE) == stretches_of(at(2), at(62), MINUTE)


def test_a_history_is_asked_in_windows_of_two_steps_and_long_steps_do_not_overlap() -> None:
    questions, long = [FAILURES, Question("x", "X", Unit.COUNT, "x")], timedelta(days=3)
    (asked,) = histories_for(questions, an_incident(), ("job",), stretches_of(at(0), at(60), MINUTE))
    assert [query.expr for query in asked.queries] == ['rate(bad{job="api"}[120s])', "rate(all[120s])"]
    (asked,) = histories_for(questions, an_incident(), ("job",), stretches_of(at(0), at(0) + long, MINUTE))
    coarse = int(asked.wholes[1].step.total_seconds())
    assert coarse > 3600 and ["rate(all[120s])", f"rate(all[{coarse}s])", "rate(all[120s])"] == [
        query.expr for query in asked.wholes
    ]


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
    (asked,) = histories_for([FAILURES], an_incident(), ("job",), stretches_of(at(0), at(60), MINUTE))
    history = history_of(asked, dict(zip(asked.queries, answers, strict=True)))
    assert history.why == found if isinstance(history, Unknown) else found is isinstance(history, History)
