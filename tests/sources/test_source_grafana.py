"""Grafana's webhook becomes a Group, or a fault that names the field."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import InvalidPayload
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Group, Status
from bridge.core.naming import title_of
from bridge.sources.alertmanager import fingerprint_of
from bridge.sources.grafana import parse

PAYLOADS = Path(__file__).parent / "payloads"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def payload(name: str = "firing", alert: Mapping[str, object] | None = None, **changes: object) -> dict[str, Any]:
    whole = json.loads((PAYLOADS / f"grafana_{name}.json").read_text()) | changes
    if alert is not None:
        whole["alerts"][0] |= alert
    return {key: value for key, value in whole.items() if value is not ...}


def read(name: str = "firing", alert: Mapping[str, object] | None = None, **changes: object) -> Group:
    return parse(json.dumps(payload(name, alert, **changes)).encode(), "grafana")


def fault(data: bytes) -> InvalidPayload:
    with pytest.raises(InvalidPayload) as caught:
        parse(data, "grafana")
    return caught.value


def test_a_webhook_becomes_a_group() -> None:
    group = read()
    (alert,) = group.alerts
    assert (alert.fingerprint, alert.status, alert.ends_at) == ("57c6d9296de2ad39", Status.FIRING, None)
    assert alert.starts_at == datetime(2026, 11, 23, 8, 34, 20, tzinfo=UTC)
    assert alert.labels == {
        "alertname": "ToxicRateHigh",
        "grafana_folder": "ML",
        "severity": "critical",
        "namespace": "ml",
        "job": "toxicity-api",
    }
    assert title_of(group.group_labels, group.alerts) == "ToxicRateHigh (ML)"
    assert group.group_key.endswith(':{alertname="ToxicRateHigh", grafana_folder="ML"}')


def test_links_and_values_become_annotations() -> None:
    (alert,) = read().alerts
    assert alert.annotations == {
        "summary": "The toxic rate is 31 %, usually 4 %",
        "runbook_url": "https://runbooks.example.org/toxic-rate-high",
        "dashboard_url": "https://grafana.example.org/d/ml?orgId=1&viewPanel=4",
        "silence_url": "https://grafana.example.org/alerting/silence/new?alertmanager=grafana&matcher=alertname%3DToxicRateHigh",
        "image_url": "https://grafana.example.org/public/img/attachments/a1.png",
        "values": "B=0.3125, C=1",
    }
    assert alert.generator_url == "https://grafana.example.org/alerting/grafana/cf2hq9k1/view?orgId=1"


def test_annotations_of_the_rule_win_over_those_of_grafana() -> None:
    (alert,) = read(alert={"annotations": {"dashboard_url": "https://own", "__orgId__": "1"}}).alerts
    assert alert.annotations["dashboard_url"] == "https://own"
    assert alert.annotations["summary"] == "ToxicRateHigh: B=0.3125, C=1"
    assert "__orgId__" not in alert.annotations


def test_the_address_of_grafana_is_not_taken_for_an_alertmanager() -> None:
    assert read().external_url == ""


def test_firing_and_resolved_are_one_incident() -> None:
    firing, resolved = read(), read("resolved")
    assert firing.key == resolved.key
    assert resolved.alerts[0].status is Status.RESOLVED
    assert resolved.alerts[0].ends_at == datetime(2026, 11, 23, 9, 2, 20, tzinfo=UTC)
    opened = receive(None, firing, NOW, Rules(), "uid")
    assert opened is not None
    ended = receive(opened.incident, resolved, NOW + timedelta(seconds=5), Rules(), "uid")
    assert ended is not None
    assert ended.incident.resolved
    late = receive(ended.incident, firing, NOW + timedelta(seconds=9), Rules(), "uid")
    assert late is not None
    assert late.incident.resolved


def test_the_test_of_a_contact_point_is_an_ordinary_alert() -> None:
    (alert,) = read("test").alerts
    assert alert.annotations["summary"] == "Notification test"
    assert alert.labels == {"alertname": "TestAlert", "instance": "Grafana"}


def test_a_missing_group_key_is_made_from_the_group_labels() -> None:
    group = read(groupKey=...)
    assert group.group_key == "grafana:" + fingerprint_of({"alertname": "ToxicRateHigh", "grafana_folder": "ML"})
    assert group.key == read("resolved", groupKey=...).key


def test_without_group_labels_the_group_key_is_made_from_the_fingerprints() -> None:
    group = read(groupKey=None, groupLabels=None)
    assert group.group_key == "grafana:57c6d9296de2ad39"
    assert fault(json.dumps(payload(groupKey="", groupLabels={}, alerts=[])).encode()).field == "groupKey"


def test_a_webhook_of_alertmanager_is_refused_with_its_url() -> None:
    found = fault(json.dumps(payload(version="4", orgId=...)).encode())
    assert found.field == "version"
    assert "/webhook/alertmanager" in str(found)


def test_a_template_may_leave_the_version_out() -> None:
    assert read(version=..., orgId=..., state=..., title=..., message=...).key == read().key


@pytest.mark.parametrize(
    ("alert", "field"),
    [
        ({"status": "alerting"}, "alerts[0].status"),
        ({"labels": None}, "alerts[0].labels"),
        ({"labels": {"pod": 1}}, "alerts[0].labels.pod"),
        ({"startsAt": "yesterday"}, "alerts[0].startsAt"),
        ({"startsAt": None}, "alerts[0].startsAt"),
        ({"annotations": []}, "alerts[0].annotations"),
    ],
)
def test_a_fault_in_an_alert_names_its_field(alert: Mapping[str, object], field: str) -> None:
    assert fault(json.dumps(payload(alert=alert)).encode()).field == field


@pytest.mark.parametrize("changes", [{"alerts": {}}, {"groupKey": 7}, {"groupLabels": []}, {"truncatedAlerts": -1}])
def test_a_fault_in_the_group_names_its_field(changes: dict[str, object]) -> None:
    assert fault(json.dumps(payload() | changes).encode()).field == next(iter(changes))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"7", b"{}", b'{"alerts": [7]}', b"[" * 200_000])
def test_any_other_body_is_a_fault_and_not_a_crash(data: bytes) -> None:
    assert str(fault(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["firing", "1", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OPTIONAL = ("values", "valueString", "imageURL", "silenceURL", "dashboardURL", "panelURL", "ruleUID", "enrichments")


def parsed(data: bytes) -> Group | None:
    try:
        return parse(data, "grafana")
    except InvalidPayload:
        return None


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_group_or_a_fault(data: bytes) -> None:
    assert isinstance(parsed(data), Group | None)


@given(
    st.dictionaries(st.sampled_from(sorted(payload()["alerts"][0])), JSON),
    st.dictionaries(st.sampled_from(sorted(payload())), JSON),
)
def test_any_values_give_a_group_that_can_be_stored_or_a_fault(
    alert: Mapping[str, object], changes: dict[str, object]
) -> None:
    group = parsed(json.dumps(payload(alert=alert) | changes).encode())
    for each in group.alerts if group else ():
        assert each.starts_at.tzinfo is UTC
        json.dumps([each.labels, each.annotations], ensure_ascii=False).encode()


@given(st.dictionaries(st.sampled_from(OPTIONAL), JSON))
def test_no_invalid_optional_field_loses_an_alert(alert: Mapping[str, object]) -> None:
    assert read(alert=alert).alerts[0].annotations["runbook_url"]
