"""Heartbeats on both databases: received, reported missing once by all workers, and received again."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import sqlalchemy as sa

from bridge.core.heartbeats import Heartbeat
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import Accepted, WebhookOutcome
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreHeartbeats, StoreIntake, StoreReader
from tests.builders import a_group, an_alert, at

BEAT = Heartbeat("prometheus", parse_matchers('alertname="Watchdog"'), timedelta(minutes=5))
POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")}, heartbeats=(BEAT,))
WATCHDOG = a_group(an_alert("Watchdog", "none"), key="watchdog")


def escalations(engine: sa.Engine, policy: Policy = POLICY) -> StoreHeartbeats:
    return StoreHeartbeats(engine, lambda: policy)


def receive_heartbeat(engine: sa.Engine, now: datetime) -> Accepted:
    intake = StoreIntake(engine, lambda: POLICY, lambda: now)
    accepted = intake.accept(WATCHDOG)
    intake.close()
    return accepted


def states(engine: sa.Engine) -> list[tuple[str, str]]:
    return [(each.title, each.state.value) for each in StoreReader(engine).list_incidents()]


def test_a_heartbeat_opens_no_incident(engine: sa.Engine) -> None:
    escalations(engine).watch(at(0), at(0))
    assert receive_heartbeat(engine, at(100)) == Accepted(0, WebhookOutcome.HEARTBEAT)
    assert states(engine) == []
    assert StoreReader(engine).health(at(150)).heartbeat_seconds == {"prometheus": 50.0}


def test_a_missing_heartbeat_opens_one_incident_until_it_returns(engine: sa.Engine) -> None:
    first, second = escalations(engine), escalations(engine)
    assert first.watch(at(0), at(0)) == []
    assert first.watch(at(0), at(300)) == []
    assert first.watch(at(0), at(301)) == ["prometheus"]
    assert second.watch(at(0), at(302)) == []
    assert first.watch(at(0), at(900)) == []
    assert states(engine) == [("HeartbeatMissing (prometheus)", "open")]
    assert [each.channel for each in StoreReader(engine).deliveries(1)] == ["pager"]
    receive_heartbeat(engine, at(1000))
    assert second.watch(at(0), at(1005)) == ["prometheus"]
    assert first.watch(at(0), at(1010)) == []
    assert states(engine) == [("HeartbeatMissing (prometheus)", "resolved")]


def test_after_a_restart_a_heartbeat_has_its_whole_interval(engine: sa.Engine) -> None:
    escalations(engine).watch(at(0), at(0))
    assert escalations(engine).watch(at(10_000), at(10_299)) == []
    assert escalations(engine).watch(at(10_000), at(10_301)) == ["prometheus"]


def test_a_heartbeat_that_is_no_longer_configured_is_deleted(engine: sa.Engine) -> None:
    escalations(engine).watch(at(0), at(0))
    nothing = Policy(POLICY.rules, POLICY.tree, POLICY.channels)
    assert escalations(engine, nothing).watch(at(0), at(9000)) == []
    assert dict(StoreReader(engine).health(at(9000)).heartbeat_seconds) == {}


def test_only_one_of_many_workers_reports_a_missing_heartbeat(engine: sa.Engine) -> None:
    escalations(engine).watch(at(0), at(0))
    reported: list[str] = []
    together = threading.Barrier(6)

    def watch() -> None:
        together.wait()
        reported.extend(escalations(engine).watch(at(0), at(400)))

    threads = [threading.Thread(target=watch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reported == ["prometheus"]
    assert len(states(engine)) == 1
