"""Which alert mutes which, according to a real Alertmanager with the shipped configuration."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.alertmanager.real_alertmanager import Alertmanager, Receivers
from tests.end_to_end.machines import eventually

NOW = timedelta()
PLACE = {"namespace": "ml", "job": "toxicity-api"}
CRITICAL = {"alertname": "Source", "severity": "critical", "cause": "errors", **PLACE}
WARNING = {"alertname": "Target", "severity": "warning", "cause": "errors", **PLACE}


def without(labels: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name not in names}


def both(**labels: str) -> tuple[dict[str, str], dict[str, str]]:
    return {**CRITICAL, **labels}, {**WARNING, **labels}


MODEL_GONE = {**CRITICAL, "alertname": "MLModelNotLoaded", "cause": "model_down"}
MODEL_ABSENT = without({**MODEL_GONE, "alertname": "MLModelStatusAbsent"}, "namespace")
ERRORS_CRITICAL = {**CRITICAL, "alertname": "MLErrorRateCritical"}
ERRORS_SUSTAINED = {**CRITICAL, "alertname": "MLErrorRateSustained"}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param(CRITICAL, WARNING, id="critical mutes warning"),
        pytest.param(CRITICAL, {**WARNING, "severity": "info"}, id="critical mutes info"),
        pytest.param({**CRITICAL, "severity": "warning"}, {**WARNING, "severity": "info"}, id="warning mutes info"),
        pytest.param(*both(pod="api-1"), id="on the same pod"),
        pytest.param(without(CRITICAL, "namespace"), without(WARNING, "namespace"), id="where nothing has a namespace"),
        pytest.param(ERRORS_CRITICAL, ERRORS_SUSTAINED, id="errors critical mutes errors sustained"),
        pytest.param(MODEL_GONE, {**WARNING, "cause": "latency"}, id="no model mutes latency"),
        pytest.param({**MODEL_GONE, "pod": "api-1"}, {**WARNING, "cause": "toxicity"}, id="no model on a pod"),
        pytest.param(MODEL_ABSENT, {**WARNING, "cause": "confidence"}, id="absent model mutes in every namespace"),
    ],
)
def test_the_source_alert_mutes_the_target(
    shared: Alertmanager, source: dict[str, str], target: dict[str, str]
) -> None:
    assert muted(shared, source, target) == {source["alertname"]: False, target["alertname"]: True}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param(CRITICAL, {**WARNING, "cause": "latency"}, id="another cause"),
        pytest.param(CRITICAL, {**WARNING, "namespace": "web"}, id="another namespace"),
        pytest.param(CRITICAL, without(WARNING, "namespace"), id="no namespace beside one"),
        pytest.param(CRITICAL, {**WARNING, "job": "other"}, id="another job"),
        pytest.param({**CRITICAL, "pod": "api-1"}, {**WARNING, "pod": "api-2"}, id="another pod"),
        pytest.param({**CRITICAL, "pod": "api-1"}, WARNING, id="one pod says nothing of the service"),
        pytest.param(CRITICAL, {**WARNING, "pod": "api-1"}, id="the service says nothing of one pod"),
        pytest.param(without(CRITICAL, "cause"), without(WARNING, "cause"), id="both without a cause"),
        pytest.param(without(CRITICAL, "cause"), WARNING, id="the source without a cause"),
        pytest.param(CRITICAL, without(WARNING, "cause"), id="the target without a cause"),
        pytest.param(without(CRITICAL, "job"), without(WARNING, "job"), id="both without a job"),
        pytest.param(CRITICAL, {**WARNING, "severity": "critical"}, id="critical mutes no critical"),
        pytest.param(CRITICAL, {**WARNING, "route": "direct"}, id="nothing mutes a direct warning"),
        pytest.param(
            {**CRITICAL, "severity": "warning"},
            {**WARNING, "severity": "info", "route": "direct"},
            id="nor a direct info",
        ),
        pytest.param({**CRITICAL, "severity": "info"}, {**WARNING, "severity": "info"}, id="info mutes no info"),
        pytest.param(ERRORS_CRITICAL, {**ERRORS_SUSTAINED, "namespace": "web"}, id="errors of another namespace"),
        pytest.param(without(ERRORS_CRITICAL, "job"), without(ERRORS_SUSTAINED, "job"), id="errors without a job"),
        pytest.param(MODEL_GONE, {**WARNING, "cause": "memory"}, id="no model explains no memory"),
        pytest.param(
            MODEL_GONE, {**WARNING, "cause": "latency", "namespace": "web"}, id="no model in another namespace"
        ),
        pytest.param(
            MODEL_GONE, {**WARNING, "cause": "errors", "severity": "critical"}, id="no model mutes no critical"
        ),
        pytest.param(
            without(MODEL_ABSENT, "job"), without({**WARNING, "cause": "latency"}, "job"), id="absent model, no job"
        ),
    ],
)
def test_the_source_alert_does_not_mute_the_target(
    shared: Alertmanager, source: dict[str, str], target: dict[str, str]
) -> None:
    assert muted(shared, source, target) == {source["alertname"]: False, target["alertname"]: False}


def muted(alertmanager: Alertmanager, *alerts: dict[str, str]) -> dict[str, bool]:
    """Read once a pair posted after them is muted. All are resolved afterwards, so the next test starts empty."""
    last = [{**labels, "alertname": f"Last{labels['alertname']}", "job": "last"} for labels in (CRITICAL, WARNING)]
    alertmanager.post(*alerts, *last)
    try:
        eventually(lambda: alertmanager.muted().get("LastTarget"))
        found = alertmanager.muted()
        return {alert["alertname"]: found[alert["alertname"]] for alert in alerts}
    finally:
        alertmanager.post(*alerts, *last, firing=False)
        eventually(lambda: not alertmanager.muted())


def test_a_muted_alert_is_notified_only_after_its_cause_has_resolved(
    alertmanager: Alertmanager, receivers: Receivers
) -> None:
    # A group whose alert began longer ago than group_wait is notified at once, perhaps before inhibition applies.
    # So the cause fires first, and the alert that it mutes starts now.
    alertmanager.post(CRITICAL)
    eventually(lambda: "Source" in receivers.alert_names())
    alertmanager.post(WARNING, {**WARNING, "alertname": "Other", "cause": "latency"}, began=NOW)
    eventually(lambda: alertmanager.muted().get("Target"))
    eventually(lambda: "Other" in receivers.alert_names())
    alertmanager.post({**WARNING, "alertname": "Later", "cause": "latency"}, began=NOW)
    eventually(lambda: "Later" in receivers.alert_names())
    assert "Target" not in receivers.alert_names()
    alertmanager.post(CRITICAL, firing=False)
    eventually(lambda: "Target" in receivers.alert_names())


def test_a_webhook_carries_the_token_from_the_file(alertmanager: Alertmanager, receivers: Receivers) -> None:
    alertmanager.post(CRITICAL)
    eventually(lambda: receivers.webhooks)
    path, headers, body = receivers.requests[0]
    assert (path, headers["Authorization"]) == ("/webhook/alertmanager/prod", "Bearer token-of-the-bridge")
    assert (body["groupLabels"], body["truncatedAlerts"]) == ({"alertname": "Source", **PLACE}, 0)
