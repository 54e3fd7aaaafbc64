"""How channels share the worker: rates, pauses, order, and concurrent writers."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from bridge.core.delivery.dead_letters import DeadLetterFilter
from bridge.core.errors import Reason
from bridge.core.incidents.transitions import Rules
from bridge.core.ports import ChannelCapacity, GiveUp, RetryAt, Sent
from bridge.core.routing.tree import Route
from bridge.store import (
    Policy,
    StoreDeadLetters,
    StoreDeliveries,
    StoreIntake,
    StoreReader,
)
from tests.builders import a_group, an_alert, at
from tests.store.small_store import CAPACITIES, CHANNELS, POLICY, Clock, one


def test_a_failing_channel_is_probed_by_one_delivery_at_a_time_and_then_drains(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    for number in range(5):
        intake.accept(a_group(an_alert(pod=str(number)), key=f"key-{number}"))
    claims = store.claim(CAPACITIES, clock())
    later = clock() + timedelta(seconds=2)
    retry = RetryAt(later, Reason.SERVER, "503", pause_until=later)
    store.settle([(claim, retry) for claim in claims], clock())
    assert store.claim(CAPACITIES, clock.forward(1)) == []
    probe = one(store.claim(CAPACITIES, clock.forward(1.1)))
    store.settle([(probe, Sent({}))], clock())
    assert len(store.claim(CAPACITIES, clock())) == 4


def test_the_pause_of_one_channel_does_not_affect_another(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(severity="info"), key="i"))
    later = clock() + timedelta(hours=1)
    failed = RetryAt(later, Reason.RATE_LIMITED, "429", pause_until=later)
    store.settle([(one(store.claim(CAPACITIES, clock())), failed)], clock())
    intake.accept(a_group(an_alert(), key="c"))
    assert one(store.claim(CAPACITIES, clock())).target.channel == "pager"


def test_the_rate_applies_across_claims(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    for number in range(10):
        intake.accept(a_group(an_alert(), key=f"key-{number}"))
    capacities = [ChannelCapacity("pager", 10, 2.0, 2, 60.0)]
    assert [len(store.claim(capacities, clock.forward(seconds))) for seconds in (0, 0.1, 0.5, 5)] == [2, 0, 1, 2]


def test_a_channel_at_its_rate_is_next_due_at_its_next_slot(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    for number in range(3):
        intake.accept(a_group(an_alert(), key=f"key-{number}"))
    assert len(store.claim([ChannelCapacity("pager", 10, 0.5, 1, 600.0)], clock())) == 1
    assert store.next_due(clock(), CHANNELS) == at(3)


def test_critical_goes_before_warning_and_oldest_first(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    tree = Route(notify=("pager",))
    intake._policy = lambda: Policy(Rules(), tree, POLICY.channels)
    for severity, key in (("info", "1"), ("warning", "2"), ("critical", "3"), ("critical", "4")):
        intake.accept(a_group(an_alert(severity=severity), key=key))
        clock.forward(1)
    capacity = [ChannelCapacity("pager", 1, None, 1, 60.0)]
    assert [one(store.claim(capacity, clock())).incident_number for _ in range(4)] == [3, 4, 2, 1]


def test_a_dead_letter_waits_for_its_replay(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    number = intake.accept(a_group(an_alert())).number
    dead = GiveUp(Reason.DESTINATION, "no such key", refused="{}")
    store.settle([(one(store.claim(CAPACITIES, clock())), dead)], clock())
    assert store.claim(CAPACITIES, clock.forward(1000)) == []
    assert StoreReader(engine).health(clock()).dead == {"pager": 1}
    assert StoreDeadLetters(engine).replay(DeadLetterFilter(number), clock()) == 1
    assert one(store.claim(CAPACITIES, clock())).incident_number == number
