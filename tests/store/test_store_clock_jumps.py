"""The clock goes back or forward under a running bridge: nothing waits for hours, and nothing is missed."""

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


def mend(store: StoreDeliveries, seconds: float) -> int:
    return store.mend_times(at(seconds), LONGEST_AHEAD)


def claimed(store: StoreDeliveries, seconds: float) -> list[int]:
    return [claim.incident_number for claim in store.claim(CAPACITIES, at(seconds))]


def test_what_was_put_off_before_the_clock_went_back_is_due_again(engine: sa.Engine, store: StoreDeliveries) -> None:
    """The pause, the next try, the lease of a worker that died: all of them lie a day ahead now."""
    for key in ("failed", "leased", "waits"):
        accept(engine, DAY, key)
    failed, *_ = store.claim([ChannelCapacity("pager", 2, None, 10, 60.0)], at(DAY))
    until = at(DAY + 8)
    store.settle([(failed, RetryAt(until, Reason.SERVER, "503", pause_until=until))], at(DAY))
    assert [] == claimed(store, 0)
    assert mend(store, 0) > 0
    (probe,) = store.claim(CAPACITIES, at(0))  # the channel still counts as failing: one finds out
    store.settle([(probe, Sent({}))], at(1))
    assert {1, 2, 3} - {probe.incident_number} == set(claimed(store, 2))


def test_a_paced_channel_does_not_wait_for_a_slot_of_the_future(engine: sa.Engine, store: StoreDeliveries) -> None:
    paced = [ChannelCapacity("pager", 10, 1.0, 1, 60.0)]
    accept(engine, DAY, "a")
    store.settle([(claim, Sent({})) for claim in store.claim(paced, at(DAY))], at(DAY))
    accept(engine, 0, "b")
    assert [] == store.claim(paced, at(0))
    mend(store, 0)
    assert [2] == [claim.incident_number for claim in store.claim(paced, at(0))]


def test_what_is_held_on_purpose_stays_held(engine: sa.Engine, store: StoreDeliveries) -> None:
    accept(engine, 0)
    with engine.begin() as connection:
        held = "UPDATE delivery SET hold_reason = 'night', due_at = :due"
        due = at(DAY).isoformat(timespec="microseconds") if engine.dialect.name == "sqlite" else at(DAY)
        connection.execute(sa.text(held), {"due": due})
    assert 0 == mend(store, 0)
    assert [] == claimed(store, 0)
    assert [1] == claimed(store, DAY)


def test_times_that_a_sound_clock_writes_are_not_touched(engine: sa.Engine, store: StoreDeliveries) -> None:
    """Nor those of a host whose clock is a little ahead: to end a living worker's lease would send twice."""
    accept(engine, 290)
    (claim,) = store.claim([ChannelCapacity("pager", 1, None, 1, 480.0)], at(290))
    until = at(290 + 990)  # the longest rate limit
    store.settle([(claim, RetryAt(until, Reason.RATE_LIMITED, "429", pause_until=until))], at(290))
    store.alive("here 1", at(290), at(290))
    StoreHeartbeats(engine, lambda: POLICY).watch(at(290), at(290))
    assert 0 == mend(store, 200)


def test_a_heartbeat_of_the_future_is_missed_in_time(engine: sa.Engine, store: StoreDeliveries) -> None:
    watching = StoreHeartbeats(engine, lambda: POLICY)
    watching.watch(at(DAY), at(DAY))
    mend(store, 0)
    assert [] == watching.watch(at(0), at(299))
    assert ["prometheus"] == watching.watch(at(0), at(301))


def test_a_worker_that_lived_in_the_future_does_not_look_alive(engine: sa.Engine, store: StoreDeliveries) -> None:
    store.alive("here 1", at(DAY), at(DAY))
    assert 0.0 == StoreReader(engine).health(at(0)).worker_seen_seconds
    mend(store, 0)
    assert StoreReader(engine).health(at(0)).worker_seen_seconds is None


def test_an_escalation_comes_after_its_time_and_not_a_day_later(engine: sa.Engine, store: StoreDeliveries) -> None:
    accept(engine, DAY)
    watching = StoreEscalations(engine, lambda: POLICY)
    mend(store, 0)
    assert [at(600)] == due_of(engine, Kind.ESCALATION)
    assert 0 == mend(store, 60)  # moved once
    assert [] == watching.watch(at(599))
    assert ["#1: not acknowledged within 10 min: notified boss too"] == watching.watch(at(601))


def due_of(engine: sa.Engine, kind: Kind) -> list[object]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(timer.c.due_at).where(timer.c.kind == kind.value)))


def test_the_reconciler_looks_at_incidents_that_were_told_of_in_the_future(
    engine: sa.Engine, store: StoreDeliveries
) -> None:
    accept(engine, DAY)
    mend(store, 0)
    (found,) = StoreReconciliation(engine, lambda: POLICY, "me").unresolved("prod")
    assert at(0) == found.seen_at


def test_another_worker_takes_over_the_lease_of_one_that_died_in_the_future(engine: sa.Engine) -> None:
    first, second = (StoreReconciliation(engine, lambda: POLICY, name) for name in ("first", "second"))
    assert first.acquire("prod", 100, at(DAY))
    assert second.acquire("prod", 100, at(0))
    assert not first.acquire("prod", 100, at(1))


def test_a_change_that_was_being_told_is_told_again(engine: sa.Engine, store: StoreDeliveries) -> None:
    change = ChangeEvent("deploy", "api", at(0), "v2", id="c1")
    StoreChanges(engine, lambda: at(DAY), lambda: ("pager",)).record(change)
    changes = StoreChangeDeliveries(engine)
    assert changes.claim("pager", 60, at(DAY)) is not None  # by a worker that dies
    assert [] == changes.waiting(["pager"], at(0))
    mend(store, 0)
    assert ["pager"] == changes.waiting(["pager"], at(0))


def test_a_jump_forward_ends_leases_early_and_only_one_of_two_can_settle(
    engine: sa.Engine, store: StoreDeliveries
) -> None:
    accept(engine, 0)
    (first,) = store.claim(CAPACITIES, at(0))
    (second,) = StoreDeliveries(engine, "other").claim(CAPACITIES, at(DAY))
    assert second.unknown
    store.settle([(first, Sent({"of": "first"}))], at(DAY))
    store.settle([(second, Sent({"of": "second"}))], at(DAY))
    assert [] == claimed(store, DAY + 3600)
    accept(engine, DAY + 3600, name="Another")
    (later,) = store.claim(CAPACITIES, at(DAY + 3600))
    assert {"of": "second"} == later.handle
