"""What is asked for a picture, and which of the answers belong to the alert."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bridge.core.incidents import Rules, receive
from bridge.core.model import Incident
from bridge.core.series import Series, Span, belonging, names_of, range_query, span_around
from tests.builders import NOON, a_group, an_alert, at


def incident(starts: float = 0) -> Incident:
    found = receive(
        None, a_group(an_alert(starts=starts), an_alert("Other", starts=starts + 60)), at(90), Rules(), "uid"
    )
    assert found is not None
    return found.incident


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        pytest.param(at(120), (-2, 120 / 3600), id="just now"),
        pytest.param(at(36_000), (-2, 3), id="long ago"),
        pytest.param(at(-60), (-2, 0), id="clocks differ"),
    ],
)
def test_a_picture_shows_the_time_around_the_start(now: datetime, hours: tuple[float, float]) -> None:
    before, after = hours
    assert Span(NOON + timedelta(hours=before), NOON + timedelta(hours=after)) == span_around(incident(), now)


def test_an_incident_without_alerts_starts_when_it_was_opened() -> None:
    lone = replace(incident(), alerts={}, opened_at=at(600), began_at=None)
    assert at(600) - timedelta(hours=2) == span_around(lone, at(660)).start


@pytest.mark.parametrize(("hours", "step"), [(2, 60), (5, 120), (0.001, 15), (48, 1155)])
def test_the_step_gives_about_as_many_points_as_a_line_shows(hours: float, step: int) -> None:
    query = range_query("up", Span(NOON, NOON + timedelta(hours=hours)))
    assert timedelta(seconds=step) == query.step
    assert query.span.seconds / step <= 150


def test_the_same_is_asked_again_alike_within_fifteen_seconds() -> None:
    hour = Span(at(1), at(3601))
    assert range_query("up", hour) == range_query("up", Span(at(14), at(3614)))


A, B = Series({"__name__": "x", "pod": "a"}, ()), Series({"__name__": "x", "pod": "b"}, ())


def test_the_lines_of_the_alerts_are_drawn_and_no_others() -> None:
    assert (B,) == belonging([A, B], [{"alertname": "X", "pod": "b", "severity": "critical"}])


def test_relabelled_alerts_get_all_the_lines() -> None:
    assert (A, B) == belonging([A, B], [{"alertname": "X", "pod_name": "b"}])


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
def test_lines_are_named_by_what_tells_them_apart(labels: list[dict[str, str]], names: list[str]) -> None:
    assert names == names_of([Series(each, ()) for each in labels])
