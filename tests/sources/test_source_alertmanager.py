"""Alertmanager's webhook becomes a Group, or a fault that names the field."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import InvalidPayload
from bridge.core.model import Group, Status
from bridge.sources.alertmanager import UNKNOWN_START, fingerprint_of, parse

LABELS = {"alertname": "A", "severity": "critical"}
ALERT: dict[str, object] = {
    "status": "firing",
    "labels": LABELS,
    "annotations": {"summary": "it broke"},
    "startsAt": "2026-11-23T08:34:20.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prom/graph",
    "fingerprint": "6d067c39b18bbf3b",
}
BODY: dict[str, object] = {
    "version": "4",
    "groupKey": '{}:{alertname="A"}',
    "status": "firing",
    "receiver": "bridge",
    "groupLabels": {"alertname": "A"},
    "commonLabels": {},
    "externalURL": "http://am",
    "alerts": [ALERT],
}


def body(alert: Mapping[str, object] | None = None, **changes: object) -> bytes:
    alerts = {"alerts": [{**ALERT, **alert}]} if alert else {}
    return json.dumps(BODY | changes | alerts).encode()


def fault(data: bytes) -> InvalidPayload:
    with pytest.raises(InvalidPayload) as caught:
        parse(data, "prod")
    return caught.value


def test_a_webhook_becomes_a_group() -> None:
    group = parse(body(truncatedAlerts=3, notification_reason="new alerts added"), "prod", distinct=True)
    alert = group.alerts[0]
    assert (group.source, group.receiver, group.group_key) == ("prod", "bridge", '{}:{alertname="A"}')
    assert (group.truncated, group.reason, group.distinct) == (3, "new alerts added", True)
    assert (alert.fingerprint, alert.status, alert.ends_at) == ("6d067c39b18bbf3b", Status.FIRING, None)
    assert alert.labels == ALERT["labels"]


def test_nanoseconds_are_cut_to_microseconds() -> None:
    assert parse(body(), "prod").alerts[0].starts_at == datetime(2026, 11, 23, 8, 34, 20, 123456, UTC)


def test_times_of_other_zones_become_utc() -> None:
    starts_at = parse(body({"startsAt": "2026-11-23T10:34:20+02:00"}), "prod").alerts[0].starts_at
    assert (starts_at.hour, starts_at.tzinfo) == (8, UTC)


def test_a_resolved_alert_keeps_its_end_and_a_firing_one_has_none() -> None:
    end = "2026-11-23T09:00:00Z"
    assert parse(body({"status": "resolved", "endsAt": end}), "prod").alerts[0].ends_at == datetime(
        2026, 11, 23, 9, tzinfo=UTC
    )
    assert parse(body({"endsAt": end}), "prod").alerts[0].ends_at is None


def test_a_whole_number_may_have_a_decimal_point() -> None:
    assert parse(body(truncatedAlerts=3.0), "prod").truncated == 3


def test_optional_fields_may_be_missing_and_unknown_ones_are_ignored() -> None:
    small = {"groupKey": "k", "alerts": [{k: ALERT[k] for k in ("status", "labels", "startsAt")}], "news": [1, {}]}
    group = parse(json.dumps(small).encode(), "prod")
    assert group.alerts[0].fingerprint == fingerprint_of(LABELS)
    assert (group.group_labels, group.receiver, group.truncated, group.reason) == ({}, "", 0, None)


def test_a_computed_fingerprint_is_alertmanagers_own() -> None:
    assert fingerprint_of({}) == "cbf29ce484222325"
    assert fingerprint_of({"a": "1", "b": "2"}) == fingerprint_of({"b": "2", "a": "1"})


def test_of_two_alerts_with_one_fingerprint_the_last_counts() -> None:
    group = parse(body(alerts=[ALERT, ALERT | {"status": "resolved"}]), "prod")
    assert [alert.status for alert in group.alerts] == [Status.RESOLVED]


def test_control_characters_are_stripped_from_texts() -> None:
    alert = {"annotations": {"summary": "a\x00b\x1b[1m\r\nc\td\ud800"}}
    assert parse(body(alert), "prod").alerts[0].annotations["summary"] == "ab[1m\nc\td\ufffd"


def test_a_lone_surrogate_in_the_group_key_still_gives_a_key() -> None:
    assert len(parse(body(groupKey="k\udfff"), "prod").key) == 64


def test_invalid_utf8_is_replaced() -> None:
    assert parse(body().replace(b"it broke", b"it \xff"), "prod").alerts[0].annotations["summary"] == "it \ufffd"


@pytest.mark.parametrize(
    ("alert", "field"),
    [
        ({"status": "broken"}, "alerts[0].status"),
        ({"status": []}, "alerts[0].status"),
        ({"labels": None}, "alerts[0].labels"),
        ({"labels": {"pod": 1}}, "alerts[0].labels.pod"),
        ({"labels": {"pod": True}}, "alerts[0].labels.pod"),
        ({"annotations": "text"}, "alerts[0].annotations"),
        ({"startsAt": "yesterday"}, "alerts[0].startsAt"),
        ({"startsAt": "2026-02-30T00:00:00Z"}, "alerts[0].startsAt"),
        ({"startsAt": "9999-12-31T23:59:59-23:59"}, "alerts[0].startsAt"),
        ({"startsAt": ""}, "alerts[0].startsAt"),
        ({"startsAt": 5}, "alerts[0].startsAt"),
        ({"fingerprint": 7}, "alerts[0].fingerprint"),
    ],
)
def test_a_fault_in_an_alert_names_its_field(alert: dict[str, object], field: str) -> None:
    assert fault(body(alert)).field == field


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "3"},
        {"groupKey": ""},
        {"groupKey": {}},
        {"alerts": {}},
        {"status": "x"},
        {"truncatedAlerts": -1},
        {"truncatedAlerts": True},
        {"truncatedAlerts": 2.5},
        {"truncatedAlerts": 10**30},
    ],
)
def test_a_fault_in_the_group_names_its_field(changes: dict[str, object]) -> None:
    assert fault(json.dumps(BODY | changes).encode()).field == next(iter(changes))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"7", b"[" * 200_000, b'{"a":' * 200_000, b"9" * 5000, b"\xff\xfe"],
)
def test_any_other_body_is_a_fault_and_not_a_crash(data: bytes) -> None:
    assert str(fault(data))


def test_five_thousand_alerts_in_one_group_are_read() -> None:
    alerts = [ALERT | {"fingerprint": str(n)} for n in range(5000)]
    data = body(alerts=alerts)
    assert len(parse(data, "prod").alerts) == 5000


def parsed(data: bytes) -> Group | None:
    try:
        return parse(data, "prod")
    except InvalidPayload:
        return None


@given(st.binary())
def test_any_bytes_give_a_group_or_a_fault(data: bytes) -> None:
    assert isinstance(parsed(data), Group | None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["firing", "4"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(ALERT)), JSON), st.dictionaries(st.sampled_from(list(BODY)), JSON))
def test_any_values_give_a_group_that_can_be_stored_or_a_fault(
    alert: dict[str, object], changes: dict[str, object]
) -> None:
    group = parsed(json.dumps(BODY | {"alerts": [ALERT | alert]} | changes).encode())
    for each in group.alerts if group else ():
        assert each.starts_at.tzinfo is UTC
        assert "\x00" not in json.dumps([each.labels, each.annotations], ensure_ascii=False).encode().decode()


def test_a_zero_start_is_unknown_and_does_not_refuse_the_alert() -> None:
    (alert,) = parse(body({"startsAt": "0001-01-01T00:00:00Z"}), "prod").alerts
    assert alert.starts_at == UNKNOWN_START
