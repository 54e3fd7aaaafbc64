"""The clock of a running bridge jumps back or forward: nothing waits for hours, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from bridge.core.errors import Reason
from bridge.core.escalation import Kind
from bridge.core.facts import ChangeEvent
from bridge.core.heartbeats import Heartbeat
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity, RetryAt, Sent
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.tree import Escalation, Route
from bridge.store import (
    Policy,
    StoreChangeDeliveries,
    StoreChanges,
    StoreDeliveries,
    StoreEscalations,
    StoreHeartbeats,
    StoreIntake,
    StoreReader,
    StoreReconciliation,
)
from bridge.store.tables import timer
from bridge.worker.housekeeping import LONGEST_AHEAD
from tests.builders import a_group, an_alert, at

DAY = 86_400.0
BEAT = Heartbeat("prometheus", parse_matchers('alertname="Watchdog"'), timedelta(minutes=5))
ROUTES = Route(notify=("pager",), escalate=(Escalation(timedelta(minutes=10), ("boss",)),))
CHANNELS = {"pager": ChannelSpec("pager"), "boss": ChannelSpec("boss")}
POLICY = Policy(Rules(), ROUTES, CHANNELS, heartbeats=(BEAT,))
CAPACITIES = [ChannelCapacity("pager", 10, None, 10, 60.0)]


@pytest.fixture
def store(engine: sa.Engine) -> StoreDeliveries:
    return StoreDeliveries(engine, "me")


def accept(engine: sa.Engine, seconds: float, key: str = "k", name: str = "HighErrors") -> None:
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(seconds))
    intake.accept(a_group(an_alert(name), key=key))
    intake.close()


def repair(store: StoreDeliveries, seconds: float) -> int:
    return store.mend_times(at(seconds), LONGEST_AHEAD)


def claimed(store: StoreDeliveries, seconds: float) -> list[int]:
    return [claim.incident_number for claim in store.claim(CAPACITIES, at(seconds))]


def test_deliveries_postponed_before_the_clock_went_back_are_due(engine: sa.Engine, store: StoreDeliveries) -> None:
    """The pause, the next attempt and the lease of a dead worker are now a day ahead."""
    for key in ("failed", "leased", "waits"):
        accept(engine, DAY, key)
    failed, *_ = store.claim([ChannelCapacity("pager", 2, None, 10, 60.0)], at(DAY))
    until = at(DAY + 8)
    store.settle([(failed, RetryAt(until, Reason.SERVER, "503", pause_until=until))], at(DAY))
    assert claimed(store, 0) == []
    assert repair(store, 0) > 0
    (probe,) = store.claim(CAPACITIES, at(0))  # the channel still counts as failing: one delivery probes it
    store.settle([(probe, Sent({}))], at(1))
    assert set(claimed(store, 2)) == {1, 2, 3} - {probe.incident_number}


def test_a_channel_with_a_rate_does_not_wait_for_a_slot_in_the_future(
    engine: sa.Engine, store: StoreDeliveries
) -> None:
    paced = [ChannelCapacity("pager", 10, 1.0, 1, 60.0)]
    accept(engine, DAY, "a")
    store.settle([(claim, Sent({})) for claim in store.claim(paced, at(DAY))], at(DAY))
    accept(engine, 0, "b")
    assert store.claim(paced, at(0)) == []
    repair(store, 0)
    assert [claim.incident_number for claim in store.claim(paced, at(0))] == [2]


def test_a_muted_delivery_stays_muted(engine: sa.Engine, store: StoreDeliveries) -> None:
    accept(engine, 0)
    with engine.begin() as connection:
        muted = "UPDATE delivery SET hold_reason = 'night', due_at = :due"
        due = at(DAY).isoformat(timespec="microseconds") if engine.dialect.name == "sqlite" else at(DAY)
        connection.execute(sa.text(muted), {"due": due})
    assert repair(store, 0) == 0
    assert claimed(store, 0) == []
    assert claimed(store, DAY) == [1]


def test_plausible_times_are_not_changed(engine: sa.Engine, store: StoreDeliveries) -> None:
    """Nor those of a host whose clock is slightly ahead: ending the lease of a living worker would send twice."""
    accept(engine, 290)
    (claim,) = store.claim([ChannelCapacity("pager", 1, None, 1, 480.0)], at(290))
    until = at(290 + 990)  # the longest rate limit
    store.settle([(claim, RetryAt(until, Reason.RATE_LIMITED, "429", pause_until=until))], at(290))
    store.alive("here 1", at(290), at(290))
    StoreHeartbeats(engine, lambda: POLICY).watch(at(290), at(290))
    assert repair(store, 200) == 0


def test_a_heartbeat_from_the_future_is_missing_in_time(engine: sa.Engine, store: StoreDeliveries) -> None:
    escalations = StoreHeartbeats(engine, lambda: POLICY)
    escalations.watch(at(DAY), at(DAY))
    repair(store, 0)
    assert escalations.watch(at(0), at(299)) == []
    assert escalations.watch(at(0), at(301)) == ["prometheus"]


def test_a_worker_from_the_future_does_not_count_as_alive(engine: sa.Engine, store: StoreDeliveries) -> None:
    store.alive("here 1", at(DAY), at(DAY))
    assert StoreReader(engine).health(at(0)).worker_seen_seconds == 0.0
    repair(store, 0)
    assert StoreReader(engine).health(at(0)).worker_seen_seconds is None


def test_an_escalation_is_due_after_its_delay_and_not_a_day_later(engine: sa.Engine, store: StoreDeliveries) -> None:
    accept(engine, DAY)
    escalations = StoreEscalations(engine, lambda: POLICY)
    repair(store, 0)
    assert due_of(engine, Kind.ESCALATION) == [at(600)]
    assert repair(store, 60) == 0  # moved once
    assert escalations.watch(at(599)) == []
    assert escalations.watch(at(601)) == ["#1: not acknowledged within 10 min: notified boss too"]


def due_of(engine: sa.Engine, kind: Kind) -> list[object]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(timer.c.due_at).where(timer.c.kind == kind.value)))


def test_the_reconciler_includes_incidents_received_in_the_future(engine: sa.Engine, store: StoreDeliveries) -> None:
    accept(engine, DAY)
    repair(store, 0)
    (found,) = StoreReconciliation(engine, lambda: POLICY, "me").unresolved("prod")
    assert found.seen_at == at(0)


def test_another_worker_takes_over_a_lease_from_the_future(engine: sa.Engine) -> None:
    first, second = (StoreReconciliation(engine, lambda: POLICY, name) for name in ("first", "second"))
    assert first.acquire("prod", 100, at(DAY))
    assert second.acquire("prod", 100, at(0))
    assert not first.acquire("prod", 100, at(1))


def test_a_leased_change_from_the_future_is_delivered_again(engine: sa.Engine, store: StoreDeliveries) -> None:
    change = ChangeEvent("deploy", "api", at(0), "v2", id="c1")
    StoreChanges(engine, lambda: at(DAY), lambda: ("pager",)).record(change)
    changes = StoreChangeDeliveries(engine)
    assert changes.claim("pager", 60, at(DAY)) is not None  # by a worker that dies
    assert changes.waiting(["pager"], at(0)) == []
    repair(store, 0)
    assert changes.waiting(["pager"], at(0)) == ["pager"]


def test_a_jump_forward_ends_leases_early_and_only_one_worker_can_settle(
    engine: sa.Engine, store: StoreDeliveries
) -> None:
    accept(engine, 0)
    (first,) = store.claim(CAPACITIES, at(0))
    (second,) = StoreDeliveries(engine, "other").claim(CAPACITIES, at(DAY))
    assert second.unknown
    store.settle([(first, Sent({"of": "first"}))], at(DAY))
    store.settle([(second, Sent({"of": "second"}))], at(DAY))
    assert claimed(store, DAY + 3600) == []
    accept(engine, DAY + 3600, name="Another")
    (later,) = store.claim(CAPACITIES, at(DAY + 3600))
    assert later.handle == {"of": "second"}
