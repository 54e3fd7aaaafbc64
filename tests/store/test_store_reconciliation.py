"""The reconciler's store on both databases: its lease, and findings that are written completely or not at all."""

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


def reconciliation(engine: sa.Engine, holder: str = "me", policy: Policy = POLICY) -> StoreReconciliation:
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


def test_one_worker_reconciles_until_its_lease_ends_or_is_released(engine: sa.Engine) -> None:
    me, other = reconciliation(engine), reconciliation(engine, "other")
    assert me.acquire("prod", 100, at(0))
    assert me.acquire("prod", 100, at(50))
    assert not other.acquire("prod", 100, at(149))
    assert other.acquire("staging", 100, at(149))
    assert other.acquire("prod", 100, at(151))
    assert not me.acquire("prod", 100, at(152))
    other.release()
    assert me.acquire("prod", 100, at(153))


def test_only_one_of_many_workers_reconciles(engine: sa.Engine) -> None:
    taken: list[bool] = []
    together = threading.Barrier(6)

    def take(name: str) -> None:
        together.wait()
        taken.append(reconciliation(engine, name).acquire("prod", 100, at(0)))

    threads = [threading.Thread(target=take, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 5 + [True]


def test_verified_addresses_are_kept(engine: sa.Engine) -> None:
    store = reconciliation(engine)
    assert store.verified_addresses("prod") == ""
    store.acquire("prod", 100, at(0))
    store.save_verified("prod", "http://am")
    assert not reconciliation(engine, "other").acquire("prod", 100, at(1))
    assert (
        reconciliation(engine, "other").verified_addresses("prod"),
        store.verified_addresses("staging"),
    ) == ("http://am", "")


def test_open_incidents_of_the_source_are_read_with_their_alerts(engine: sa.Engine) -> None:
    receive(engine, ONE, TWO)
    receive(engine, ONE, key="of another", source="other")
    receive(engine, an_alert("Over"), key="over")
    receive(engine, an_alert("Over", ends=1), key="over", seconds=2)
    (found,) = reconciliation(engine).unresolved("prod")
    assert (found.number, dict(found.alerts)) == (1, {ONE.fingerprint: ONE, TWO.fingerprint: TWO})


def test_a_finding_ends_the_incident_as_a_webhook_would(engine: sa.Engine) -> None:
    receive(engine, ONE, TWO)
    store = reconciliation(engine)
    (before,) = store.unresolved("prod")
    assert len(store.write([ending(before, ONE)], at(100))) == 1
    (half,) = store.unresolved("prod")
    assert ([alert.name for alert in half.firing], half.revision, half.seen_at) == (["Two"], 2, at(0))
    assert len(store.write([ending(half)], at(200))) == 1
    assert store.unresolved("prod") == []
    assert "Two ended: Alertmanager no longer knows it" in texts(engine)
    incident = StoreReader(engine).incident(1)
    assert incident is not None
    assert (incident.resolved_at, incident.resolved_by) == (at(200), "prod")
    (delivery,) = StoreReader(engine).deliveries(1)
    assert (delivery.wanted, delivery.status) == (3, "skipped")


@pytest.mark.parametrize("meanwhile", ["webhook", "person", "over"])
def test_an_incident_that_changed_meanwhile_is_left_alone(engine: sa.Engine, meanwhile: str) -> None:
    receive(engine, ONE)
    store = reconciliation(engine)
    (before,) = store.unresolved("prod")
    if meanwhile == "webhook":
        receive(engine, ONE, seconds=100)
    elif meanwhile == "person":
        StoreActions(engine, lambda: POLICY).acknowledge(1, "ann", at(100))
    else:
        receive(engine, an_alert("One", ends=99), seconds=100)
    entries = texts(engine)
    assert store.write([ending(before)], at(101)) == []
    assert texts(engine) == entries


def test_many_findings_are_written_except_a_stale_one(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "BATCH", 2)
    for number in range(5):
        receive(engine, an_alert(f"Number{number}"), key=str(number))
    store = reconciliation(engine)
    found = [ending(each) for each in store.unresolved("prod")]
    receive(engine, an_alert("Number3"), key="3", seconds=100)
    assert [each.incident.number - 1 for each in store.write(found, at(101))] == [0, 1, 2, 4]
    assert [each.title for each in store.unresolved("prod")] == ["Number3"]


def test_a_mark_is_kept_with_its_alert(engine: sa.Engine) -> None:
    receive(engine, ONE)
    store = reconciliation(engine)
    (before,) = store.unresolved("prod")
    marked = a_group(replace(ONE, muted="silenced by alice"), key="group", asked=True)
    store.write([Finding(before, marked)], at(100))
    (after,) = store.unresolved("prod")
    assert (after.alerts[ONE.fingerprint].muted, after.revision) == ("silenced by alice", 1)
    assert texts(engine)[-1] == "One: silenced by alice"
    (delivery,) = StoreReader(engine).deliveries(1)
    assert delivery.wanted == 1


def test_a_finding_is_no_heartbeat(engine: sa.Engine) -> None:
    watchdog = an_alert("Watchdog", "none")
    receive(engine, watchdog)
    store = reconciliation(engine, policy=replace(POLICY, heartbeats=(BEAT,)))
    (before,) = store.unresolved("prod")
    marked = a_group(replace(watchdog, muted="silenced"), key="group", asked=True)
    store.write([Finding(before, marked)], at(100))
    assert len(texts(engine)) == 1
    assert dict(StoreReader(engine).health(at(100)).heartbeat_seconds) == {}
