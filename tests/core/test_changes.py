"""Which alerts report a change, when two reports are one change, and which incidents a change concerns."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.changes import (
    CHANGE_RULES,
    ChangeRule,
    began_to_serve,
    bounded,
    changes_in,
    concerning,
    concerns,
    only_reports_changes,
    period_of,
    plain_id,
    sent_id,
    summary_of,
    without_repeats,
)
from bridge.core.facts import ChangeEvent
from bridge.core.incidents.periods import outbreak
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Incident
from bridge.core.routing.matchers import parse_matchers
from tests.builders import a_group, an_alert, at


def a_change(service: str = "bert-api", **labels: str) -> ChangeEvent:
    return ChangeEvent("deploy", service, at(0), "bert-api v2 was deployed", "v2", labels=labels)


@pytest.mark.parametrize("name", ["service", "job", "app", "model"])
def test_a_change_without_labels_concerns_every_alert_that_names_its_service(name: str) -> None:
    assert concerns(a_change(), {"alertname": "Slow", name: "bert-api", "namespace": "ml"})


@pytest.mark.parametrize(
    "labels",
    [{}, {"job": "other"}, {"pod": "bert-api"}, {"alertname": "bert-api"}, {"job": "bert-api-2"}],
)
def test_a_change_does_not_concern_an_alert_that_names_another_service_or_none(labels: dict[str, str]) -> None:
    assert not concerns(a_change(), labels)


def test_a_change_in_one_namespace_does_not_concern_another() -> None:
    change = a_change(namespace="staging")
    assert not concerns(change, {"job": "bert-api", "namespace": "prod"})
    assert concerns(change, {"job": "bert-api", "namespace": "staging"})
    assert concerns(change, {"job": "bert-api"}), "an alert that does not say where it is may be there"


def test_labels_that_are_no_place_are_not_compared() -> None:
    assert concerns(a_change(version="v2", pod="a"), {"job": "bert-api", "version": "v1", "pod": "b"})


def test_a_change_and_an_alert_that_share_a_job_need_no_common_service_name() -> None:
    change = a_change("Toxicity API", job="bert-api", namespace="ml")
    assert concerns(change, {"job": "bert-api", "namespace": "ml"})
    assert not concerns(change, {"job": "bert-api", "namespace": "test"})


def test_a_shared_namespace_alone_does_not_concern_an_alert() -> None:
    assert not concerns(a_change("billing", namespace="ml"), {"job": "bert-api", "namespace": "ml"})


def test_a_change_without_a_service_does_not_match_an_empty_label() -> None:
    assert not concerns(a_change(""), {"job": "", "alertname": "Slow"})


def test_one_concerned_alert_is_enough_and_the_order_is_kept() -> None:
    changes = [a_change("billing"), a_change("bert-api"), a_change("search")]
    alerts = [{"job": "search", "pod": str(n)} for n in range(50)] + [{"job": "billing"}]
    assert [change.service for change in concerning(changes, alerts)] == ["billing", "search"]
    assert concerning(changes, []) == []


def test_a_deployed_model_is_a_deployment_with_its_version_and_place() -> None:
    alert = an_alert("MLModelDeployed", "info", starts=7, job="bert-api", namespace="ml", version="v2", pod="a")
    (change,) = changes_in(a_group(alert, source="prod"), CHANGE_RULES)
    assert (change.kind, change.service, change.version, change.at) == ("deploy", "bert-api", "v2", at(7))
    assert (change.labels, change.source) == ({"job": "bert-api", "namespace": "ml"}, "prod")
    assert change.summary == "bert-api v2 was deployed"


def test_a_retraining_alert_is_a_change_and_other_alerts_are_not() -> None:
    group = a_group(an_alert("MLRetrainingStarted", model="toxic"), an_alert("HighErrors", job="bert-api"))
    (change,) = changes_in(group, CHANGE_RULES)
    assert (change.kind, change.service, change.summary) == ("retraining", "toxic", "a retraining of toxic was started")


def test_an_alert_is_one_change_until_it_starts_anew() -> None:
    def id_of(**more: float) -> str:
        (change,) = changes_in(a_group(an_alert("MLModelDeployed", job="api", **more)), CHANGE_RULES)  # type: ignore[arg-type]
        return change.id

    assert id_of(starts=0) == id_of(starts=0, ends=60)
    assert id_of(starts=0) != id_of(starts=90)


def test_the_first_matching_rule_decides_the_change() -> None:
    rules = (
        ChangeRule(parse_matchers('alertname="Flag", what="kill switch"'), "rollback"),
        ChangeRule(parse_matchers('alertname="Flag"'), "flag", version_label="value", service_label="owner"),
    )
    alert = an_alert("Flag", summary="The flag moved", owner="search", job="flags", value="on")
    (change,) = changes_in(a_group(alert), rules)
    assert (change.kind, change.service, change.version, change.summary) == ("flag", "search", "on", "The flag moved")
    other = an_alert("Flag", what="kill switch", job="flags")
    assert [change.kind for change in changes_in(a_group(other), rules)] == ["rollback"]


def test_a_retry_has_the_same_id_and_any_other_change_another() -> None:
    change = a_change(namespace="ml")
    assert plain_id(change) == plain_id(replace(change, summary="another text", by="ann", link="https://x.org"))
    others = [
        replace(change, kind="rollback"),
        replace(change, service="other"),
        replace(change, version="v3"),
        replace(change, at=at(1)),
        replace(change, labels={"namespace": "test"}),
    ]
    assert len({plain_id(each) for each in [change, *others]}) == 6


def test_an_id_is_scoped_to_its_sender() -> None:
    assert sent_id("ci", "42") == sent_id("ci", "42")
    assert len({sent_id("ci", "42"), sent_id("cd", "42"), sent_id("ci", "43")}) == 3


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("deploy", "api", "v2", "v1"), "api v2 was deployed in place of v1"),
        (("deploy", "api"), "api was deployed"),
        (("rollback", "api", "v1"), "api was rolled back to v1"),
        (("config", "api"), "the configuration of api was changed"),
        (("migration", "api"), "migration of api"),
    ],
)
def test_a_change_without_a_summary_gets_one(change: tuple[str, ...], text: str) -> None:
    assert summary_of(*change) == text


def test_a_posted_change_and_its_alert_are_one_and_the_first_report_is_kept() -> None:
    posted = replace(a_change(model="toxic"), at=at(0), by="ann")
    (seen,) = changes_in(
        a_group(an_alert("MLModelDeployed", starts=90, job="bert-api", namespace="ml", version="v2")), CHANGE_RULES
    )
    assert without_repeats([seen, posted]) == [posted]
    assert without_repeats([replace(seen, version=""), posted]) == [posted], (
        "what does not say a version contradicts none"
    )


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "rollback"},
        {"version": "v3"},
        {"service": "search"},
        {"labels": {"namespace": "test"}},
        {"at": at(901)},
    ],
)
def test_a_different_or_much_later_change_is_another(other: dict[str, Any]) -> None:
    first = a_change(namespace="ml")
    second = replace(first, **{"at": at(60), **other})
    assert without_repeats([first, second]) == [second, first]


def test_a_version_deployed_again_after_a_rollback_is_another_change() -> None:
    tries = [replace(a_change(), at=at(0)), replace(a_change(), at=at(60), kind="rollback", version="v1")]
    tries.append(replace(a_change(), at=at(120)))
    assert without_repeats(tries) == tries[::-1]


def test_metrics_have_known_kinds_only() -> None:
    assert [bounded(kind) for kind in ("deploy", "migration", "other")] == ["deploy", "other", "other"]


def test_the_period_of_changes_is_from_before_the_first_alert_to_the_end() -> None:
    first, later = an_alert(starts=0), an_alert(starts=500, pod="b")
    change = receive(None, a_group(first, later), at(600), Rules(), "uid")
    assert change is not None
    hours = timedelta(hours=1)
    assert period_of(change.incident, at(900), hours) == (at(-3600), at(900))
    over = replace(change.incident, resolved_at=at(700))
    assert period_of(over, at(900), hours) == (at(-3600), at(700))


def test_an_incident_only_reports_changes_if_all_its_alerts_do() -> None:
    deployed, slow = an_alert("MLModelDeployed", job="api"), an_alert("Slow", job="api")
    assert [
        only_reports_changes(opened(*alerts), CHANGE_RULES) for alerts in ([deployed], [slow], [deployed, slow])
    ] == [
        True,
        False,
        False,
    ]


def opened(*alerts: Alert) -> Incident:
    change = receive(None, a_group(*alerts), at(1), Rules(), "u")
    assert change is not None
    return change.incident


@pytest.mark.parametrize(
    ("spans", "began"),
    [
        pytest.param([(0, 600), (3600, None)], 3600, id="what ended long before is another outbreak"),
        pytest.param([(0, 600), (700, None)], 0, id="a short pause is none"),
        pytest.param([(0, None), (3600, None)], 0, id="what still fires counts from its start"),
        pytest.param([(0, 4000), (3600, 3700), (4100, 4200)], 0, id="what ended counts as long as something fired"),
        pytest.param([(60, 120)], 60, id="one that is over"),
    ],
)
def test_an_outbreak_begins_after_a_pause(spans: list[tuple[float, float | None]], began: float) -> None:
    assert outbreak((at(start), None if end is None else at(end)) for start, end in spans) == at(began)


def test_the_period_of_changes_starts_before_the_outbreak_that_reopened_the_incident() -> None:
    first = opened(an_alert(pod="a", starts=0))
    ended = receive(first, a_group(an_alert(pod="a", starts=0, ends=600)), at(610), Rules(), "u")
    assert ended is not None
    again = receive(ended.incident, a_group(an_alert(pod="b", starts=1200)), at(1210), Rules(), "u")
    assert again is not None and again.incident.number == first.number
    assert period_of(again.incident, at(1300), timedelta())[0] == at(1200)


def test_a_version_in_the_metrics_is_a_change_unless_it_was_reported() -> None:
    began = {"v2": at(0).timestamp(), "v3": at(60).timestamp()}
    (seen,) = began_to_serve(began, "bert-api", [a_change()])
    assert (seen.kind, seen.service, seen.version, seen.at) == ("appeared", "bert-api", "v3", at(60))


@pytest.mark.parametrize("nonsense", [-1.0, 0.0, 1e30])
def test_an_invalid_time_is_no_change(nonsense: float) -> None:
    assert began_to_serve({"v2": nonsense}, "bert-api", []) == []
