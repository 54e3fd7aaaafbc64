"""Faulty and arbitrary bodies."""

import json
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import InvalidPayload
from bridge.core.model import Group
from bridge.sources.cloud_monitoring import parse
from tests.sources.cloud_payloads import NOW, alert, fault, payload, read


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("incident_id", None),
        ("incident_id", ""),
        ("incident_id", {}),
        ("incident_id", "x" * 201),
        ("state", None),
        ("state", "acknowledged"),
        ("state", 1),
        ("started_at", "yesterday"),
        ("started_at", 1795422900000),
        ("started_at", -5),
        ("started_at", True),
        ("started_at", []),
        ("started_at", 10**400),
        ("ended_at", "2026-02-30T00:00:00Z"),
        ("ended_at", {}),
    ],
)
def test_a_fault_names_its_field(field: str, value: object) -> None:
    whole = payload("open")
    whole["incident"][field] = value
    assert fault(json.dumps(whole).encode()).field == f"incident.{field}"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"7", b"{}", b'{"incident": []}', b"[" * 200_000])
def test_any_other_body_is_a_fault_and_not_a_crash(data: bytes) -> None:
    assert str(fault(data))


def test_a_number_too_large_for_a_float_loses_no_alert() -> None:
    assert alert(observed_value=10**400).annotations["observed_value"] == "1" + "0" * 29


def test_control_characters_are_stripped_from_texts() -> None:
    found = alert(policy_name="a\x00b\r\nc", policy_user_labels={"te\x00am": "m\ud800l\n"}, url="https://x\x1b.org")
    assert found.labels["alertname"] == "ab c"
    assert found.labels["team"] == "m\ufffdl"
    assert found.annotations["url"] == "https://x.org"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["open", "nan", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OPEN = payload("open")["incident"]


def parsed(data: bytes) -> Group | None:
    try:
        return parse(data, "gcp", NOW)
    except InvalidPayload:
        return None


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_group_or_a_fault(data: bytes) -> None:
    assert isinstance(parsed(data), Group | None)


@given(st.dictionaries(st.sampled_from(sorted(set(OPEN) - {"incident_id", "state", "started_at", "ended_at"})), JSON))
def test_no_invalid_optional_field_loses_an_alert(changes: dict[str, object]) -> None:
    group = read("open", NOW, **changes)
    (found,) = group.alerts
    assert found.firing and group.key == read().key
    json.dumps([found.labels, found.annotations], ensure_ascii=False).encode()
    assert all(isinstance(value, str) and value for value in found.labels.values())


@given(st.dictionaries(st.sampled_from(sorted(OPEN)), JSON), JSON)
def test_any_values_give_a_group_that_can_be_stored_or_a_fault(changes: dict[str, object], version: object) -> None:
    whole = payload("open")
    whole["version"] = version
    whole["incident"] |= changes
    group = parsed(json.dumps(whole).encode())
    for each in group.alerts if group else ():
        assert each.starts_at.tzinfo is UTC
