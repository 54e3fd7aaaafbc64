"""Heartbeats on both databases: heard, missing once for all workers, back again."""

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


def watching(engine: sa.Engine, policy: Policy = POLICY) -> StoreHeartbeats:
    return StoreHeartbeats(engine, lambda: policy)


def hear(engine: sa.Engine, now: datetime) -> Accepted:
    intake = StoreIntake(engine, lambda: POLICY, lambda: now)
    accepted = intake.accept(WATCHDOG)
    intake.close()
    return accepted


def states(engine: sa.Engine) -> list[tuple[str, str]]:
    return [(each.title, each.state.value) for each in StoreReader(engine).list_incidents()]


def test_a_heartbeat_opens_no_incident(engine: sa.Engine) -> None:
    watching(engine).watch(at(0), at(0))
    assert Accepted(0, WebhookOutcome.HEARTBEAT) == hear(engine, at(100))
    assert [] == states(engine)
    assert {"prometheus": 50.0} == StoreReader(engine).health(at(150)).heartbeat_seconds


def test_silence_opens_an_incident_once_and_its_return_ends_it(engine: sa.Engine) -> None:
    first, second = watching(engine), watching(engine)
    assert [] == first.watch(at(0), at(0))
    assert [] == first.watch(at(0), at(300))
    assert ["prometheus"] == first.watch(at(0), at(301))
    assert [] == second.watch(at(0), at(302))
    assert [] == first.watch(at(0), at(900))
    assert [("HeartbeatMissing (prometheus)", "open")] == states(engine)
    assert ["pager"] == [each.channel for each in StoreReader(engine).deliveries(1)]
    hear(engine, at(1000))
    assert ["prometheus"] == second.watch(at(0), at(1005))
    assert [] == first.watch(at(0), at(1010))
    assert [("HeartbeatMissing (prometheus)", "resolved")] == states(engine)


def test_after_a_start_it_gets_its_time_anew(engine: sa.Engine) -> None:
    watching(engine).watch(at(0), at(0))
    assert [] == watching(engine).watch(at(10_000), at(10_299))
    assert ["prometheus"] == watching(engine).watch(at(10_000), at(10_301))


def test_one_that_is_configured_no_more_is_forgotten(engine: sa.Engine) -> None:
    watching(engine).watch(at(0), at(0))
    nothing = Policy(POLICY.rules, POLICY.tree, POLICY.channels)
    assert [] == watching(engine, nothing).watch(at(0), at(9000))
    assert {} == dict(StoreReader(engine).health(at(9000)).heartbeat_seconds)


def test_of_many_workers_one_tells(engine: sa.Engine) -> None:
    watching(engine).watch(at(0), at(0))
    turned: list[str] = []
    together = threading.Barrier(6)

    def watch() -> None:
        together.wait()
        turned.extend(watching(engine).watch(at(0), at(400)))

    threads = [threading.Thread(target=watch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["prometheus"] == turned
    assert 1 == len(states(engine))
