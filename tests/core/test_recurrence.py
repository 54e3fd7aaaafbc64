"""Earlier incidents about the same alert and service, and what ended them."""

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
def test_labels_that_do_not_name_the_service_do_not_change_the_key(more: dict[str, str]) -> None:
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
def test_another_name_service_or_place_has_another_key(other: dict[str, str]) -> None:
    assert recurrence_key(LABELS) != recurrence_key({**LABELS, **other})


def test_labels_cannot_be_joined_to_the_same_key() -> None:
    one, other = {"alertname": "A", "service": "b\x00job=c"}, {"alertname": "A", "service": "b", "job": "c"}
    assert recurrence_key(one) != recurrence_key(other)


def test_an_empty_label_is_ignored_and_an_alert_without_a_name_has_no_key() -> None:
    assert recurrence_key(LABELS) == recurrence_key({**LABELS, "cluster": ""})
    assert recurrence_key({"service": "api"}) == ""
    assert recurrence_key({"alertname": "", "service": "api"}) == ""
    assert subjects_of(incident(an_alert(""))) == ()


def test_many_pods_are_one_subject_without_a_name() -> None:
    pods = [an_alert("Down", service="api", pod=f"api-{n}") for n in range(5)]
    (subject,) = subjects_of(incident(*pods))
    assert (subject.key, subject.name) == (recurrence_key(pods[0].labels), "")


def test_the_subjects_are_the_most_severe_alerts_the_oldest_first() -> None:
    alerts = [
        an_alert("Slow", "warning", service="api", starts=-9),
        an_alert("Failing", service="api", starts=-2),
        an_alert("Down", service="api", namespace="ml", starts=-5),
    ]
    names = [subject.name for subject in subjects_of(incident(*alerts))]
    assert names == ["Down (ml/api)", "Failing (api)"]


def test_firing_alerts_precede_ended_ones_unless_all_have_ended() -> None:
    alerts = [an_alert("Down", service="api", ends=1), an_alert("Slow", "warning", service="api")]
    assert [each.name for each in subjects_of(incident(*alerts))] == ["Slow (api)"]
    ended = [replace(each, ends_at=at(1), status=alerts[0].status) for each in alerts]
    assert [each.name for each in subjects_of(incident(*ended))] == ["Down (api)"]


def test_a_missing_heartbeat_recurs_by_its_name_and_a_digest_never() -> None:
    def missing(name: str) -> Incident:
        change = receive(None, alarm(Heartbeat(name, (), WINDOW), at(0), at(9), missing=True), at(9), Rules(), "uid")
        assert change is not None
        return change.incident

    (prod,), (again,), (test,) = (subjects_of(missing(name)) for name in ("prod", "prod", "test"))
    assert prod == again != test
    digest = opened("slack", (), StormLimits(10), "10 at once", at(0), "uid")
    assert subjects_of(digest.incident) == ()


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
def test_only_incidents_that_ended_before_within_the_window_count(ended: EndedIncident, counts: bool) -> None:
    assert earlier_numbers([ended, ended], incident(an_alert()), WINDOW) == ([3] if counts else [])


def test_the_newest_comes_first() -> None:
    ended = [EndedIncident(number, at(-DAY + number), at(-DAY + number + 1)) for number in (2, 7, 4)]
    assert earlier_numbers(ended, incident(an_alert()), WINDOW) == [7, 4, 2]


def test_the_window_is_not_longer_than_the_retention() -> None:
    assert window_within(timedelta(days=14)) == timedelta(days=14)
    assert window_within(timedelta(days=90)) == WINDOW


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
    assert (found.kind if found else None) == kind
    assert change_before_end(Period(at(0), None), changes) is None


def test_the_resolver_is_a_user_or_empty_if_the_alerts_ended() -> None:
    fires = incident(an_alert())
    ended = receive(fires, a_group(an_alert(ends=5)), at(6), Rules(), "uid")
    assert ended is not None
    assert resolver(resolve(fires, "ana", at(6)).incident) == "ana"
    assert (resolver(ended.incident), resolver(fires)) == ("", "")
