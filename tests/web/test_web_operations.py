"""Health, readiness, metrics, reload and the watchdog."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pytest
from werkzeug.test import TestResponse

from bridge.core.errors import StoreUnavailable
from bridge.core.views import Health
from bridge.web.probing import StoreProbe
from tests.answers import body_of
from tests.web.web_fakes import HEALTHY, NOW, PLAIN, World


@pytest.fixture
def world() -> World:
    return World()


def ready(world: World, health: Health = HEALTHY) -> TestResponse:
    world.reader.health_now = health
    return world.get("/-/ready")


def test_healthy_needs_no_store(world: World) -> None:
    world.reader.error = StoreUnavailable("down")
    assert world.get("/-/healthy").status_code == 200


def test_ready_if_every_check_is_good(world: World) -> None:
    answer = ready(world)
    assert answer.status_code == 200
    assert all(check["ok"] for check in body_of(answer)["checks"].values())


@pytest.mark.parametrize(
    ("health", "check", "word"),
    [
        (replace(HEALTHY, worker_seen_seconds=None), "worker", "bridge worker"),
        (replace(HEALTHY, worker_seen_seconds=30.0), "worker", "30 s"),
        (replace(HEALTHY, overdue_seconds={"slack-ml": 1e6}, paused={"slack-ml": "bad token"}), "overdue", "bad token"),
    ],
)
def test_not_ready_gives_the_reason(world: World, health: Health, check: str, word: str) -> None:
    answer = ready(world, health)
    assert answer.status_code == 503
    assert not body_of(answer)["checks"][check]["ok"]
    assert word in body_of(answer)["checks"][check]["why"]


@pytest.mark.parametrize("error", [StoreUnavailable("down"), RuntimeError("bug")])
def test_not_ready_without_a_store(world: World, error: Exception) -> None:
    world.reader.error = error
    assert world.get("/-/ready").status_code == 503
    assert "bridge_store_up 0.0" in world.get("/metrics").text


def test_not_ready_while_nothing_can_be_stored(world: World) -> None:
    world.intake.refusal = "database or disk is full"
    answer = world.get("/-/ready")
    assert (answer.status_code, body_of(answer)["checks"]["store"]["ok"]) == (503, False)
    assert body_of(answer)["checks"]["store"]["why"] == "the store cannot be written: database or disk is full"
    assert body_of(answer)["checks"]["worker"]["ok"]
    text = world.get("/metrics").text
    assert "bridge_store_up 1.0" in text and "bridge_store_writable 0.0" in text


def test_a_hanging_store_blocks_one_thread_and_no_probe(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = [], threading.Event()

    def health(now: datetime) -> Health:
        asked.append(now)
        answered.wait(60)
        return HEALTHY

    monkeypatch.setattr(world.reader, "health", health)
    probe = StoreProbe(world.reader, world.intake, lambda: NOW, seconds=0.05)
    assert [probe.health() for _ in range(5)] == [None] * 5
    assert probe.both() == (None, "")
    assert asked == [NOW]
    answered.set()
    assert StoreProbe(world.reader, world.intake, lambda: NOW, seconds=60).health() == HEALTHY


def test_every_channel_has_its_series_from_the_start(world: World) -> None:
    text = world.get("/metrics").text
    assert 'bridge_deliveries_pending{channel="slack-ml",severity="critical"} 0.0' in text
    assert 'bridge_deliveries_dead{channel="slack-ml"} 0.0' in text
    assert 'bridge_deliveries_total{channel="slack-ml",outcome="dead"} 0.0' in text
    assert 'bridge_channel_paused{channel="slack-ml"} 0.0' in text
    assert 'bridge_storm_active{channel="slack-ml"} 0.0' in text
    assert 'bridge_build_info{version="0.1.0"} 1.0' in text


def test_metrics_show_the_state_of_the_store(world: World) -> None:
    world.reader.health_now = replace(
        HEALTHY,
        pending={("slack-ml", "info"): 4},
        paused={"slack-ml": "x"},
        open_incidents={"critical": 2},
        flapping_incidents=1,
        storms={"slack-ml": 312},
    )
    text = world.get("/metrics").text
    assert 'bridge_deliveries_pending{channel="slack-ml",severity="info"} 4.0' in text
    assert 'bridge_channel_paused{channel="slack-ml"} 1.0' in text
    assert 'bridge_storm_active{channel="slack-ml"} 1.0' in text
    assert 'bridge_storm_collapsed{channel="slack-ml"} 312.0' in text
    assert 'bridge_incidents_open{severity="critical"} 2.0' in text
    assert "bridge_flapping_incidents 1.0" in text
    assert "bridge_worker_seen_seconds 1.0" in text


def test_reload_returns_its_faults() -> None:
    faults: list[str] = []
    world = World(PLAIN, reload=lambda: faults)
    assert world.post("/-/reload").status_code == 200
    faults.append("route.notify: unknown channel")
    answer = world.post("/-/reload")
    assert (answer.status_code, body_of(answer)["faults"]) == (400, faults)


def test_reload_is_refused_for_remote_callers_and_other_sites() -> None:
    world = World(PLAIN, reload=list)
    assert world.post("/-/reload", address="10.0.0.9").status_code == 401
    assert world.post("/-/reload", Sec_Fetch_Site="cross-site").status_code == 403
    assert world.get("/-/reload").status_code == 405


def test_reload_without_a_file_says_so(world: World) -> None:
    assert world.post("/-/reload").status_code == 404


WITH_HEARTBEAT = PLAIN + 'heartbeats: [{name: prometheus, matchers: [alertname="Watchdog"], every: 5m}]\n'


@pytest.mark.parametrize(
    ("ages", "status", "word"),
    [
        ({"prometheus": 12.0}, 200, "received 12 s ago"),
        ({"prometheus": 301.0}, 503, "not received for 301 s"),
        ({}, 503, "never"),
    ],
)
def test_the_watchdog_reports_the_heartbeats(ages: Mapping[str, float], status: int, word: str) -> None:
    world = World(WITH_HEARTBEAT)
    world.reader.health_now = replace(HEALTHY, heartbeat_seconds=ages)
    answer = world.get("/-/watchdog")
    assert answer.status_code == status
    assert word in body_of(answer)["heartbeats"]["prometheus"]["why"]
    text = world.get("/metrics").text
    assert 'bridge_heartbeat_expected_seconds{name="prometheus"} 300.0' in text
    assert ('bridge_heartbeat_age_seconds{name="prometheus"}' in text) == bool(ages)


def test_the_watchdog_fails_without_configured_heartbeats(world: World) -> None:
    assert world.get("/-/watchdog").status_code == 503


def test_the_watchdog_fails_without_a_store() -> None:
    world = World(WITH_HEARTBEAT)
    world.reader.error = StoreUnavailable("down")
    assert world.get("/-/watchdog").status_code == 503
