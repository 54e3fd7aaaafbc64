"""The reconciler's store on both databases: whose turn it is, and findings that are written whole or not at all."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bridge.core.heartbeats import Heartbeat
from bridge.core.incidents.transitions import Rules
from bridge.core.model import Alert, ChannelSpec, Incident, Status
from bridge.core.reconciliation import Finding
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreActions, StoreIntake, StoreReader, StoreReconciliation
from bridge.store import reconciliation as reconciling
from tests.builders import a_group, an_alert, at

BEAT = Heartbeat("prometheus", parse_matchers('alertname="Watchdog"'), timedelta(minutes=5))
POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})
ONE, TWO = an_alert("One"), an_alert("Two")


def asking(engine: sa.Engine, holder: str = "me", policy: Policy = POLICY) -> StoreReconciliation:
    return StoreReconciliation(engine, lambda: policy, holder)


def receive(engine: sa.Engine, *alerts: Alert, seconds: float = 0, key: str = "group", source: str = "prod") -> None:
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(seconds))
    intake.accept(a_group(*alerts, key=key, source=source))
    intake.close()


def ending(incident: Incident, *alerts: Alert) -> Finding:
    ended = (replace(alert, status=Status.RESOLVED, ends_at=at(50)) for alert in alerts or incident.firing)
    group = a_group(*ended, key=incident.group_key, asked=True)
    return Finding(incident, replace(group, group_labels=incident.group_labels))


def texts(engine: sa.Engine, number: int = 1) -> list[str]:
    return [entry.text for entry in StoreReader(engine).timeline(number)]


def test_one_worker_asks_until_its_lease_ends_or_is_released(engine: sa.Engine) -> None:
    me, other = asking(engine), asking(engine, "other")
    assert me.acquire("prod", 100, at(0))
    assert me.acquire("prod", 100, at(50))
    assert not other.acquire("prod", 100, at(149))
    assert other.acquire("staging", 100, at(149))
    assert other.acquire("prod", 100, at(151))
    assert not me.acquire("prod", 100, at(152))
    other.release()
    assert me.acquire("prod", 100, at(153))


def test_of_many_workers_one_asks(engine: sa.Engine) -> None:
    taken: list[bool] = []
    together = threading.Barrier(6)

    def take(name: str) -> None:
        together.wait()
        taken.append(asking(engine, name).acquire("prod", 100, at(0)))

    threads = [threading.Thread(target=take, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [False] * 5 + [True] == sorted(taken)


def test_verified_addresses_are_kept(engine: sa.Engine) -> None:
    store = asking(engine)
    assert "" == store.verified_addresses("prod")
    store.acquire("prod", 100, at(0))
    store.save_verified("prod", "http://am")
    assert not asking(engine, "other").acquire("prod", 100, at(1))
    assert ("http://am", "") == (
        asking(engine, "other").verified_addresses("prod"),
        store.verified_addresses("staging"),
    )


def test_open_incidents_of_the_source_are_given_with_their_alerts(engine: sa.Engine) -> None:
    receive(engine, ONE, TWO)
    receive(engine, ONE, key="of another", source="other")
    receive(engine, an_alert("Over"), key="over")
    receive(engine, an_alert("Over", ends=1), key="over", seconds=2)
    (found,) = asking(engine).unresolved("prod")
    assert (1, {ONE.fingerprint: ONE, TWO.fingerprint: TWO}) == (found.number, dict(found.alerts))


def test_a_finding_ends_the_incident_as_a_webhook_would(engine: sa.Engine) -> None:
    receive(engine, ONE, TWO)
    store = asking(engine)
    (before,) = store.unresolved("prod")
    assert 1 == len(store.write([ending(before, ONE)], at(100)))
    (half,) = store.unresolved("prod")
    assert (["Two"], 2, at(0)) == ([alert.name for alert in half.firing], half.revision, half.seen_at)
    assert 1 == len(store.write([ending(half)], at(200)))
    assert [] == store.unresolved("prod")
    assert "Two ended: Alertmanager no longer knows it" in texts(engine)
    incident = StoreReader(engine).incident(1)
    assert incident is not None
    assert (at(200), "prod") == (incident.resolved_at, incident.resolved_by)
    (delivery,) = StoreReader(engine).deliveries(1)
    assert (3, "skipped") == (delivery.wanted, delivery.status)


@pytest.mark.parametrize("meanwhile", ["webhook", "person", "over"])
def test_an_incident_that_changed_meanwhile_is_left_alone(engine: sa.Engine, meanwhile: str) -> None:
    receive(engine, ONE)
    store = asking(engine)
    (before,) = store.unresolved("prod")
    if meanwhile == "webhook":
        receive(engine, ONE, seconds=100)
    elif meanwhile == "person":
        StoreActions(engine, lambda: POLICY).acknowledge(1, "ann", at(100))
    else:
        receive(engine, an_alert("One", ends=99), seconds=100)
    told = texts(engine)
    assert [] == store.write([ending(before)], at(101))
    assert told == texts(engine)


def test_many_findings_are_written_and_the_stale_one_is_not(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "BATCH", 2)
    for number in range(5):
        receive(engine, an_alert(f"Number{number}"), key=str(number))
    store = asking(engine)
    found = [ending(each) for each in store.unresolved("prod")]
    receive(engine, an_alert("Number3"), key="3", seconds=100)
    assert [0, 1, 2, 4] == [each.incident.number - 1 for each in store.write(found, at(101))]
    assert ["Number3"] == [each.title for each in store.unresolved("prod")]


def test_a_mark_is_kept_with_its_alert(engine: sa.Engine) -> None:
    receive(engine, ONE)
    store = asking(engine)
    (before,) = store.unresolved("prod")
    marked = a_group(replace(ONE, muted="silenced by alice"), key="group", asked=True)
    store.write([Finding(before, marked)], at(100))
    (after,) = store.unresolved("prod")
    assert ("silenced by alice", 1) == (after.alerts[ONE.fingerprint].muted, after.revision)
    assert "One: silenced by alice" == texts(engine)[-1]
    (delivery,) = StoreReader(engine).deliveries(1)
    assert 1 == delivery.wanted


def test_what_is_found_is_no_heartbeat(engine: sa.Engine) -> None:
    watchdog = an_alert("Watchdog", "none")
    receive(engine, watchdog)
    store = asking(engine, policy=replace(POLICY, heartbeats=(BEAT,)))
    (before,) = store.unresolved("prod")
    marked = a_group(replace(watchdog, muted="silenced"), key="group", asked=True)
    store.write([Finding(before, marked)], at(100))
    assert 1 == len(texts(engine))
    assert {} == dict(StoreReader(engine).health(at(100)).heartbeat_seconds)
