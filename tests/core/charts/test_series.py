"""The range query for a chart, and which series of the answer belong to the alert."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.charts.series import belonging, ended, names_of, range_query, span_around, started
from bridge.core.context.series import Series, Span
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Incident, State, Status
from tests.builders import NOON, a_group, an_alert, at


def incident(starts: float = 0) -> Incident:
    found = receive(
        None, a_group(an_alert(starts=starts), an_alert("Other", starts=starts + 60)), at(90), Rules(), "uid"
    )
    assert found is not None
    return found.incident


def over(lasted: float, seen: float = 0, **more: object) -> Incident:
    """A resolved incident; its alert ended `seen` seconds before."""
    before = incident()
    ends = {
        name: replace(a, status=Status.RESOLVED, starts_at=at(0), ends_at=at(lasted))
        for name, a in before.alerts.items()
    }
    known = replace(before, alerts=ends, state=State.RESOLVED, opened_at=at(0), resolved_at=at(lasted + seen))
    return replace(known, **more)  # type: ignore[arg-type]


MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("lasts", "shown"),
    [
        pytest.param(0, (-30 * MINUTE, 0), id="just now"),
        pytest.param(-60, (-30 * MINUTE, 0), id="clocks differ"),
        pytest.param(10 * MINUTE, (-30 * MINUTE, 10 * MINUTE), id="minutes"),
        pytest.param(3 * HOUR, (-HOUR, 3 * HOUR), id="hours"),
        pytest.param(4 * DAY, (-DAY, 4 * DAY), id="days"),
        pytest.param(100 * DAY, (70 * DAY, 100 * DAY), id="months"),
    ],
)
def test_an_open_incident_is_shown_from_before_its_start_to_now(lasts: float, shown: tuple[float, float]) -> None:
    opened = replace(incident(), opened_at=at(0))
    assert span_around(opened, at(lasts)) == Span(at(shown[0]), at(shown[1]))


@pytest.mark.parametrize(
    ("lasted", "shown"),
    [
        pytest.param(10, (-5 * MINUTE, 70), id="seconds"),
        pytest.param(20 * MINUTE, (-20 * MINUTE, 22 * MINUTE), id="minutes"),
        pytest.param(3 * HOUR, (-HOUR, 3.3 * HOUR), id="hours"),
        pytest.param(4 * DAY, (-DAY, 4 * DAY + HOUR), id="days"),
    ],
)
def test_a_resolved_incident_is_shown_to_shortly_after_its_end(lasted: float, shown: tuple[float, float]) -> None:
    assert span_around(over(lasted, seen=30), at(99 * DAY)) == Span(at(shown[0]), at(shown[1]))
    assert span_around(over(lasted), at(lasted + 3)).end == at(lasted + 3)


@given(st.floats(0, 29 * DAY / 2), st.booleans())
def test_start_and_end_are_visible_and_far_enough_apart(lasted: float, ongoing: bool) -> None:
    about = replace(incident(), opened_at=at(0)) if ongoing else over(lasted)
    span = span_around(about, at(lasted) if ongoing else at(lasted + 30))
    assert span.start <= at(-300) and at(lasted) <= span.end
    assert ongoing or lasted < 10 or lasted / span.seconds > 0.025
    assert lasted < 2 * HOUR or lasted / span.seconds > 0.6
    query = range_query("up", span)
    assert 20 <= query.span.seconds / query.step.total_seconds() <= 150
    assert abs((query.span.end - span.end).total_seconds()) < max(15, span.seconds / 149)


def test_the_end_is_that_of_the_last_alert_or_the_resolve_of_a_user() -> None:
    assert (ended(over(600, seen=45)), ended(incident())) == (at(600), None)
    by_hand = replace(incident(), state=State.RESOLVED, resolved_at=at(300))
    assert ended(by_hand) == at(300)


def test_the_start_of_a_reopened_incident_is_its_first_opening() -> None:
    assert started(replace(incident(), opened_at=at(-900))) == at(-900)
    assert started(replace(incident(), opened_at=at(45))) == NOON


def test_the_start_without_alerts_is_the_opening() -> None:
    lone = replace(incident(), alerts={}, opened_at=at(600), began_at=None)
    assert started(lone) == at(600)


@pytest.mark.parametrize(("hours", "step"), [(0.001, 1), (0.1, 5), (0.4, 10), (2, 60), (5, 120), (48, 1155)])
def test_the_step_gives_about_as_many_points_as_a_line_shows(hours: float, step: int) -> None:
    query = range_query("up", Span(NOON, NOON + timedelta(hours=hours)))
    assert query.step == timedelta(seconds=step)
    assert query.span.seconds / step <= 150


def test_the_same_query_is_made_within_fifteen_seconds() -> None:
    hour = Span(at(1), at(3601))
    assert range_query("up", hour) == range_query("up", Span(at(14), at(3614)))


A, B = Series({"__name__": "x", "pod": "a"}, ()), Series({"__name__": "x", "pod": "b"}, ())


def test_the_lines_of_the_alerts_are_drawn_and_no_others() -> None:
    assert belonging([A, B], [{"alertname": "X", "pod": "b", "severity": "critical"}]) == (B,)


def test_relabelled_alerts_get_all_the_lines() -> None:
    assert belonging([A, B], [{"alertname": "X", "pod_name": "b"}]) == (A, B)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        pytest.param([], [], id="none"),
        pytest.param([{"pod": "a"}], [""], id="a single one needs no name"),
        pytest.param([{"pod": "a", "job": "x"}, {"pod": "b", "job": "x"}], ["a", "b"], id="what differs"),
        pytest.param([{"pod": "a"}, {}], ["a", "(none)"], id="one without"),
        pytest.param([{"pod": "a", "v": "1"}, {"pod": "b", "v": "2"}], ["a 1", "b 2"], id="two that differ"),
        pytest.param([{"pod": "api-7d9f8-x"}, {"pod": "api-7d9f8-y"}], ["…x", "…y"], id="long beginning"),
        pytest.param([{"pod": "v1"}, {"pod": "v1-rc"}], ["v1", "v1-rc"], id="one begins the other"),
    ],
)
def test_lines_are_named_by_the_labels_that_differ(labels: list[dict[str, str]], names: list[str]) -> None:
    assert names_of([Series(each, ()) for each in labels]) == names
