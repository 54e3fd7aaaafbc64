"""Cloud Monitoring's webhook becomes a Group of one alert, or a fault that names the field."""

from datetime import timedelta

import pytest

from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Incident, Severity, Status
from tests.sources.cloud_payloads import NOW, STARTED, alert, read


def test_an_open_incident_is_a_firing_alert_with_the_labels_that_routes_use() -> None:
    found = alert()
    assert (found.status, found.starts_at, found.ends_at) == (Status.FIRING, STARTED, None)
    assert found.labels == {
        "alertname": "toxicity-api/PodMemoryOOMRisk",
        "severity": "critical",
        "cluster": "ml-1",
        "namespace": "ml",
        "pod": "toxicity-api-7d9f6c5b8-x2x4q",
        "container": "toxicity-api",
        "location": "europe-west1-b",
        "project": "ml-production",
        "service": "toxicity-api",
        "cause": "memory",
        "condition": "memory limit utilization > 90%",
        "metric": "kubernetes.io/container/memory/limit_utilization",
        "memory_type": "non-evictable",
        "resource_type": "k8s_container",
    }


def test_summary_runbook_and_values_become_annotations() -> None:
    annotations = alert().annotations
    assert annotations["summary"].endswith("above the threshold of 0.900 with a value of 0.942.")
    assert annotations["description"].startswith("The container nears its memory limit.")
    assert annotations["runbook_url"] == "https://runbooks.example.org/pod-memory-oom-risk"
    assert annotations["url"].startswith(
        "https://console.cloud.google.com/monitoring/alerting/incidents/0.nf4k2m8qz7xw"
    )
    assert (annotations["observed_value"], annotations["threshold_value"]) == ("0.942", "0.9")


def test_the_group_labels_are_the_policy_and_the_place() -> None:
    group = read()
    assert group.group_key == "cloud_monitoring:0.nf4k2m8qz7xw"
    assert list(group.group_labels) == ["alertname", "cluster", "namespace", "pod"]
    assert group.external_url == ""  # messages build links to Alertmanager from it


def test_open_closed_and_cancelled_give_one_alert_of_one_group() -> None:
    groups = [read(name) for name in ("open", "closed", "cancelled")]
    assert len({group.key for group in groups}) == 1
    assert len({group.alerts[0].fingerprint for group in groups}) == 1
    assert [group.alerts[0].status for group in groups] == ["firing", "resolved", "resolved"]
    assert groups[1].alerts[0].ends_at == STARTED + timedelta(minutes=18)


def test_another_incident_of_the_same_policy_is_another_group() -> None:
    assert read(incident_id="0.other").key != read().key
    assert read(incident_id="0.other").alerts[0].fingerprint != alert().fingerprint


def test_incident_numbers_that_differ_in_one_digit_give_two_groups() -> None:
    assert read(incident_id=1234567.25).key != read(incident_id=1234567.5).key


def test_the_reason_for_a_cancellation_is_in_the_summary() -> None:
    found = alert("cancelled").annotations
    assert "Incident cancelled because" in found["summary"]
    assert "runbook_url" not in found and "description" not in found


def test_the_test_notification_fires_now_and_says_that_it_is_a_test() -> None:
    found = alert("test")
    assert (found.status, found.starts_at, found.ends_at) == (Status.FIRING, NOW, None)
    assert found.labels["test"] == "true"
    assert "severity" not in found.labels
    assert found.annotations["summary"] == "Test incident of the notification channel (value 1, threshold 0.5)"
    assert found.annotations["description"] == "Test documentation"


@pytest.mark.parametrize("state", ["open", "OPEN", "Open", " open "])
def test_the_state_is_case_insensitive(state: str) -> None:
    assert alert(state=state).firing


@pytest.mark.parametrize(
    ("policy", "user", "expected"),
    [
        ("Critical", None, "critical"),
        ("CRITICAL", None, "critical"),
        ("Error", None, "critical"),
        ("Warning", None, "warning"),
        ("No severity", None, None),
        (None, None, None),
        ("Notice", None, "notice"),
        ("Critical", "info", "info"),
        (None, "page", "page"),
        ({}, "", None),
    ],
)
def test_the_severity_is_the_policys_unless_a_user_label_says_otherwise(
    policy: object, user: str | None, expected: str | None
) -> None:
    labels = {} if user is None else {"severity": user}
    assert alert(severity=policy, policy_user_labels=labels).labels.get("severity") == expected


def test_severity_and_name_of_the_metric_are_ignored() -> None:
    metric = {"type": "logging.googleapis.com/user/errors", "labels": {"severity": "ERROR", "alertname": "x"}}
    labels = alert(metric=metric, severity=...).labels
    assert "severity" not in labels
    assert labels["alertname"] == "toxicity-api/PodMemoryOOMRisk"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "toxicity-api/PodMemoryOOMRisk"),
        ({"policy_name": None}, "memory limit utilization > 90%"),
        ({"policy_name": "", "condition_name": "", "condition": {"displayName": "c"}}, "c"),
        ({"policy_name": ..., "condition_name": ..., "condition": ...}, "Cloud Monitoring incident"),
    ],
)
def test_the_alert_is_named_after_the_policy_or_else_the_condition(changes: dict[str, object], name: str) -> None:
    assert alert("open", **changes).labels["alertname"] == name


def test_a_user_label_wins_over_the_resource_and_the_resource_over_the_metric() -> None:
    found = alert(
        metric={"labels": {"namespace": "of the metric", "zone": "of the metric"}},
        resource={"labels": {"namespace_name": "of the resource", "zone": "of the resource"}},
        policy_user_labels={"namespace": "of the user"},
    ).labels
    assert (found["namespace"], found["zone"]) == ("of the user", "of the resource")


@pytest.mark.parametrize(
    ("observed", "threshold", "summary"),
    [
        ("0.9342105263157895", "0.9", "it is high (value 0.934211, threshold 0.9)"),
        (0.5, 1, "it is high (value 0.5, threshold 1)"),
        (None, "0.9", "it is high (threshold 0.9)"),
        ("", "", "it is high"),
        ([], {}, "it is high"),
        ("not a number", None, "it is high (not a number)"),
    ],
)
def test_the_summary_contains_value_and_threshold(observed: object, threshold: object, summary: str) -> None:
    found = alert(summary="it is high", observed_value=observed, threshold_value=threshold)
    assert found.annotations["summary"] == summary


def test_a_missing_summary_is_replaced_by_the_subject_or_the_name() -> None:
    bare = {"summary": None, "observed_value": None, "threshold_value": None}
    assert alert("open", **bare).annotations["summary"] == "[ALERT - Critical] toxicity-api/PodMemoryOOMRisk"
    assert alert("open", **bare, documentation="text").annotations["summary"] == "toxicity-api/PodMemoryOOMRisk"


@pytest.mark.parametrize(
    ("documentation", "link"),
    [
        ("runbook: https://x.org/r.", "https://x.org/r"),
        ({"content": "See the **Playbook** at https://x.org/p, then call."}, "https://x.org/p"),
        ({"content": "[Runbook](https://x.org/a_b)."}, "https://x.org/a_b"),
        ({"content": "https://x.org/elsewhere"}, None),
        ({"links": [{"displayName": "Graph", "url": "https://x.org/g"}]}, "https://x.org/g"),
        (
            {"links": [{"displayName": "G", "url": "https://x.org/g"}, {"displayName": "Runbook", "url": "http://r"}]},
            "http://r",
        ),
        ({"links": [{"displayName": "Runbook", "url": "javascript:alert(1)"}]}, None),
        ({"links": "none", "content": 7}, None),
        ({"links": [None, 7, {"url": []}]}, None),
        (None, None),
    ],
)
def test_the_runbook_is_found_in_the_documentation(documentation: object, link: str | None) -> None:
    assert alert(documentation=documentation).annotations.get("runbook_url") == link


@pytest.mark.parametrize("started", [1795422900, 1795422900.0, "1795422900", "2026-11-23T08:35:00Z"])
def test_a_time_may_be_a_number_or_a_text(started: float | str) -> None:
    assert alert(started_at=started).starts_at == STARTED


@pytest.mark.parametrize("nothing", [None, 0, "", "0", 0.0, ...])
def test_a_missing_start_is_now_and_a_missing_end_is_none(nothing: object) -> None:
    assert alert(started_at=nothing).starts_at == NOW
    assert alert("closed", ended_at=nothing).ends_at is None  # core takes the time of the webhook


def test_an_end_before_the_start_ends_the_alert_at_its_start() -> None:
    assert alert("closed", ended_at=1795420000).ends_at == STARTED


def test_the_end_of_an_open_incident_is_ignored() -> None:
    assert alert(ended_at=1795423980).ends_at is None


RULES = Rules(canonical=lambda labels: labels)


def after(*names: str, seconds: int = 5) -> Incident:
    """The incident after these notifications, one every few seconds."""
    known: Incident | None = None
    for number, name in enumerate(names):
        now = NOW + timedelta(seconds=seconds * number)
        change = receive(known, read(name, now=now), now, RULES, "uid")
        assert change is not None
        known = change.incident
    assert known is not None
    return known


def test_an_open_and_its_close_are_one_incident() -> None:
    assert after("open").severity is Severity.CRITICAL
    assert after("open", "closed").resolved
    assert after("open", "open", "cancelled").resolved


def test_a_close_without_an_open_notifies_no_channel_and_a_late_open_does_not_undo_it() -> None:
    change = receive(None, read("closed"), NOW, RULES, "uid")
    assert change is not None
    assert (change.incident.resolved, change.loud) == (True, False)
    assert after("closed", "open").resolved


def test_a_close_without_times_ends_an_incident_opened_without_times() -> None:
    start, end = read(started_at=None), read("closed", now=NOW + timedelta(hours=1), started_at=None)
    opened = receive(None, start, NOW, RULES, "uid")
    assert opened is not None
    closed = receive(opened.incident, end, NOW + timedelta(hours=1), RULES, "uid")
    assert closed is not None
    assert closed.incident.resolved
