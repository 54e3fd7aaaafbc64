"""Which earlier incidents were about the same, and what ended them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.core.facts import ChangeEvent
from bridge.core.heartbeats import Heartbeat, alarm
from bridge.core.incidents.actions import resolve
from bridge.core.incidents.periods import Period
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Incident
from bridge.core.recurrence import (
    WINDOW,
    EndedIncident,
    change_before_end,
    earlier_numbers,
    recurrence_key,
    resolver,
    subjects_of,
    window_within,
)
from bridge.core.storms.detection import StormLimits
from bridge.core.storms.digests import opened
from tests.builders import a_group, an_alert, at

DAY = 86_400.0
LABELS = {"alertname": "HighErrors", "service": "api", "namespace": "ml"}


def incident(*alerts: Alert, number: int = 10) -> Incident:
    change = receive(None, a_group(*alerts), at(0), Rules(), "uid")
    assert change is not None
    return replace(change.incident, number=number)


@pytest.mark.parametrize(
    "more", [{}, {"pod": "api-1"}, {"instance": "10.0.0.7:80"}, {"severity": "warning"}, {"version": "2"}]
)
def test_it_is_the_same_again_whatever_does_not_name_the_service(more: dict[str, str]) -> None:
    assert recurrence_key(LABELS) == recurrence_key({**more, **LABELS})


@pytest.mark.parametrize(
    "other",
    [
        {"alertname": "HighLatency"},
        *({name: "other"} for name in ("service", "job", "app", "model", "namespace", "cluster", "environment")),
        {"heartbeat": "prod"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_name_service_or_place_is_not_the_same(other: dict[str, str]) -> None:
    assert recurrence_key(LABELS) != recurrence_key({**LABELS, **other})


def test_labels_that_run_into_each_other_are_not_the_same() -> None:
    one, other = {"alertname": "A", "service": "b\x00job=c"}, {"alertname": "A", "service": "b", "job": "c"}
    assert recurrence_key(one) != recurrence_key(other)


def test_an_empty_label_is_none_and_without_a_name_nothing_recurs() -> None:
    assert recurrence_key(LABELS) == recurrence_key({**LABELS, "cluster": ""})
    assert "" == recurrence_key({"service": "api"}) == recurrence_key({"alertname": "", "service": "api"})
    assert () == subjects_of(incident(an_alert("")))


def test_many_pods_are_one_subject_which_needs_no_name() -> None:
    pods = [an_alert("Down", service="api", pod=f"api-{n}") for n in range(5)]
    (subject,) = subjects_of(incident(*pods))
    assert (recurrence_key(pods[0].labels), "") == (subject.key, subject.name)


def test_of_several_alerts_the_most_severe_ones_count_the_oldest_first_and_are_named() -> None:
    alerts = [
        an_alert("Slow", "warning", service="api", starts=-9),
        an_alert("Failing", service="api", starts=-2),
        an_alert("Down", service="api", namespace="ml", starts=-5),
    ]
    names = [subject.name for subject in subjects_of(incident(*alerts))]
    assert ["Down (ml/api)", "Failing (api)"] == names


def test_what_has_ended_gives_way_to_what_fires_until_all_has_ended() -> None:
    alerts = [an_alert("Down", service="api", ends=1), an_alert("Slow", "warning", service="api")]
    assert ["Slow (api)"] == [each.name for each in subjects_of(incident(*alerts))]
    assert ["Down (api)"] == [
        each.name
        for each in subjects_of(incident(*(replace(each, ends_at=at(1), status=alerts[0].status) for each in alerts)))
    ]


def test_a_missing_heartbeat_recurs_by_its_name_and_a_digest_never() -> None:
    def missing(name: str) -> Incident:
        change = receive(None, alarm(Heartbeat(name, (), WINDOW), at(0), at(9), missing=True), at(9), Rules(), "uid")
        assert change is not None
        return change.incident

    (prod,), (again,), (test,) = (subjects_of(missing(name)) for name in ("prod", "prod", "test"))
    assert prod == again != test
    digest = opened("slack", (), StormLimits(10), "10 at once", at(0), "uid")
    assert () == subjects_of(digest.incident)


EARLIER = {
    "it is over": (EndedIncident(3, at(-DAY), at(-DAY + 60)), True),
    "it ended when this one began": (EndedIncident(3, at(-60), at(0)), True),
    "it is at the window's edge": (EndedIncident(3, at(-30 * DAY), at(-29 * DAY)), True),
    "it is older": (EndedIncident(3, at(-30 * DAY - 1), at(-29 * DAY)), False),
    "it still fired when this one began": (EndedIncident(3, at(-60), at(1)), False),
    "it is this one, reopened": (EndedIncident(10, at(-60), at(-30)), False),
    "it is a later one": (EndedIncident(11, at(-60), at(-30)), False),
}


@pytest.mark.parametrize(("ended", "counts"), EARLIER.values(), ids=EARLIER)
def test_which_incidents_are_earlier(ended: EndedIncident, counts: bool) -> None:
    assert ([3] if counts else []) == earlier_numbers([ended, ended], incident(an_alert()), WINDOW)


def test_the_newest_comes_first() -> None:
    ended = [EndedIncident(number, at(-DAY + number), at(-DAY + number + 1)) for number in (2, 7, 4)]
    assert [7, 4, 2] == earlier_numbers(ended, incident(an_alert()), WINDOW)


def test_what_is_forgotten_is_not_counted() -> None:
    assert timedelta(days=14) == window_within(timedelta(days=14))
    assert WINDOW == window_within(timedelta(days=90))


def change(kind: str, seconds: float) -> ChangeEvent:
    return ChangeEvent(kind, "api", at(seconds), kind)


ENDINGS: dict[str, tuple[list[ChangeEvent], str | None]] = {
    "nothing": ([], None),
    "a rollback": ([change("rollback", 50)], "rollback"),
    "the newest": ([change("deploy", 10), change("rollback", 50), change("config", 20)], "rollback"),
    "one at its start": ([change("deploy", 0)], "deploy"),
    "one at its end": ([change("deploy", 100)], "deploy"),
    "the cause, before its start": ([change("deploy", -1)], None),
    "one after its end": ([change("rollback", 101)], None),
    "a retraining serves nothing": ([change("config", 5), change("retraining", 50)], "config"),
    "any other word": ([change("restart", 5)], "restart"),
}


@pytest.mark.parametrize(("changes", "kind"), ENDINGS.values(), ids=ENDINGS)
def test_the_newest_change_before_the_end(changes: list[ChangeEvent], kind: str | None) -> None:
    found = change_before_end(Period(at(0), at(100)), changes)
    assert kind == (found.kind if found else None)
    assert None is change_before_end(Period(at(0), None), changes)


def test_a_user_resolved_it_or_its_alerts_ended() -> None:
    fires = incident(an_alert())
    ended = receive(fires, a_group(an_alert(ends=5)), at(6), Rules(), "uid")
    assert ended is not None
    assert ("", "ana", "") == (
        resolver(ended.incident),
        resolver(resolve(fires, "ana", at(6)).incident),
        resolver(fires),
    )
