"""Every accepted body can be stored, on both databases, and shown; for a 503 its sender would repeat it for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.app.settings import load_text
from bridge.app.wiring import policy_of, utc_now
from bridge.observability.metrics import Metrics
from bridge.store import StoreActions, StoreChanges, StoreCharts, StoreIntake, StoreReader, open_database
from bridge.web import create_app
from tests.answers import body_of

ROUTES = """
channels: {mail: {type: email, smarthost: "127.0.0.1:9", from: a@x.org, to: [b@x.org], tls: none}}
route: {notify: [mail]}
"""
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["\x00", "\ud800", "x" * 3000, "é" * 500, "\u202e", "😀" * 200, "", "a\r\nb"]
)
NUMBERS = st.integers(0, 2**31 - 1) | st.sampled_from([2**31, 2**63, -1, 0.5])
TIMES = st.sampled_from([
    "2026-11-23T08:34:20Z", "0001-01-01T00:00:00Z", "0002-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "x",
    "9999-12-31T23:59:59-23:59", "2026-11-23T08:34:20.123456789+14:00", "1969-12-31T23:59:60Z",
])  # fmt: skip
ALERTS = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["firing", "resolved"]),
        "labels": st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda more: {"alertname": "A", **more}),
        "startsAt": TIMES,
    },
    optional={
        "endsAt": TIMES,
        "fingerprint": TEXTS,
        "generatorURL": TEXTS,
        "annotations": st.dictionaries(TEXTS, TEXTS),
    },
)
GROUPS = st.fixed_dictionaries(
    {"groupKey": TEXTS, "alerts": st.lists(ALERTS, min_size=1, max_size=3)},
    optional={
        "receiver": TEXTS, "externalURL": TEXTS, "truncatedAlerts": NUMBERS, "version": st.just("4"),
        "groupLabels": st.dictionaries(TEXTS, TEXTS, max_size=2), "notification_reason": TEXTS,
    },
)  # fmt: skip
CHANGES = st.fixed_dictionaries(
    {"kind": TEXTS, "service": TEXTS, "summary": TEXTS},
    optional={
        "at": TIMES, "version": TEXTS, "previous": TEXTS, "by": TEXTS, "link": TEXTS, "id": TEXTS,
        "labels": st.dictionaries(TEXTS, TEXTS, max_size=2),
    },
)  # fmt: skip
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@dataclass
class Site:
    client: Any

    def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        answer = self.client.post(path, data=json.dumps(body).encode())
        return answer.status_code, body_of(answer)

    def get(self, path: str) -> int:
        return int(self.client.get(path).status_code)


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    engine: sa.Engine = open_database(database_url)
    chosen = load_text(ROUTES, {})
    policy = policy_of(chosen)
    intake = StoreIntake(engine, lambda: policy, utc_now)
    stores = (StoreReader(engine), StoreChanges(engine, utc_now), StoreCharts(engine, utc_now))
    app = create_app(
        lambda: chosen,
        intake,
        *stores,
        actions=StoreActions(engine, lambda: policy),
        metrics=Metrics(),
        clock=utc_now,
        require_login=False,
    )
    yield Site(app.test_client())
    intake.close()
    engine.dispose()


@given(group=GROUPS)
@quick
def test_an_accepted_group_is_stored_and_can_be_shown(site: Site, group: dict[str, Any]) -> None:
    status, answer = site.post("/webhook/alertmanager", group)
    assert status in {200, 400}, answer
    if status == 200 and answer["incident"]:
        for path in ("/", f"/incidents/{answer['incident']}", f"/api/v1/incidents/{answer['incident']}"):
            assert site.get(path) == 200


@given(change=CHANGES)
@quick
def test_an_accepted_change_is_stored_and_can_be_shown(site: Site, change: dict[str, Any]) -> None:
    status, answer = site.post("/events/change", change)
    assert status in {200, 201, 400}, answer
    for path in ("/changes", "/api/v1/changes"):
        assert site.get(path) == 200


@pytest.mark.parametrize("field", ["fingerprint", "generatorURL", "receiver", "groupKey", "externalURL"])
@pytest.mark.parametrize("text", ["x" * 5000, "\x00\ud800", "😀" * 300], ids=["long", "no text", "wide"])
def test_any_text_can_be_stored(site: Site, field: str, text: str) -> None:
    alert = {"status": "firing", "labels": {"alertname": "A"}, "startsAt": "2026-11-23T08:34:20Z"}
    group = {"groupKey": "k", "alerts": [alert]}
    (alert if field in ("fingerprint", "generatorURL") else group)[field] = text
    status, answer = site.post("/webhook/alertmanager", group)
    assert (status, answer.get("outcome")) == (200, "opened")


@pytest.mark.parametrize("path", ["/?held=storm&", "/api/v1/incidents?held=storm&", "/api/v1/dead-letters?"])
def test_a_name_that_cannot_be_stored_is_refused_for_good(site: Site, path: str) -> None:
    assert site.get(f"{path}channel=%00") == 400


@pytest.mark.parametrize("path", ["/incidents", "/api/v1/incidents"])
@pytest.mark.parametrize("number", [0, 2**31 - 1, 2**31, 2**63, 10**30])
def test_an_impossible_incident_number_is_not_found(site: Site, path: str, number: int) -> None:
    assert site.get(f"{path}/{number}") == 404
