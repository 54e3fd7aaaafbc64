"""What a storm holds back, as probes, pages and fallbacks see it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from bridge.core.errors import Reason
from bridge.core.facts import ChangeEvent
from bridge.core.ports import GiveUp, RetryAt
from bridge.store import StoreChangeDeliveries, StoreChanges, StoreDeliveries, StoreEscalations
from bridge.store.tables import delivery
from tests.builders import at
from tests.store.storm_world import POLICY, World


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def escalate(world: World) -> list[str]:
    """As a worker that has just been started, until nothing is left to do."""
    watching, told = StoreEscalations(world.engine, lambda: world.policy), list[str]()
    while done := watching.watch(world.now):
        told += done
    return told


def channels(world: World, number: int) -> set[str]:
    return {each.channel for each in world.reader.deliveries(number)}


def fail(world: World, outcome: RetryAt | GiveUp) -> None:
    claims = world.claim()
    assert ["Storm on slack"] == [world.incident(claim.incident_number).title for claim in claims]
    StoreDeliveries(world.engine).settle([(claim, outcome) for claim in claims], world.now)


def unreachable(world: World) -> RetryAt:
    return RetryAt(at(world.seconds + 8), Reason.SERVER, "HTTP 503", pause_until=at(world.seconds + 8))


def test_what_the_digest_tells_is_not_late_and_an_untold_digest_is(world: World) -> None:
    world.fire(50)
    world.watch()
    world.pass_by(100)
    assert {"slack": 100.0} == world.reader.health(world.now).overdue_seconds
    world.send()
    assert {} == world.reader.health(world.now).overdue_seconds


def test_health_counts_what_is_held(world: World) -> None:
    assert {} == world.reader.health(world.now).storms
    world.fire(50)
    world.watch()
    assert {"slack": 50} == world.reader.health(world.now).storms
    world.end(50)
    assert {"slack": 0} == world.reader.health(world.now).storms


def test_what_is_held_is_listed_the_most_severe_first(world: World) -> None:
    world.fire(9)
    world.fire(9, "critical", "Down")
    assert () == world.reader.page_of_held("slack", world.now).items
    world.watch()
    assert [*range(10, 19), *range(1, 10)] == [
        each.number for each in world.reader.page_of_held("slack", world.now).items
    ]
    assert () == world.reader.page_of_held("mail", world.now).items


def test_fallback_leaves_alone_what_the_digest_told(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.pass_by(1000)
    claims = world.claim()
    assert [] == claims
    with world.engine.begin() as connection:
        connection.execute(sa.text("UPDATE channel_state SET failing = true"))
    assert [] == escalate(world)
    assert {"slack"} == channels(world, 1)


def test_fallback_acts_when_the_digest_cannot_be_told(world: World) -> None:
    world.fire(50)
    world.watch()
    for _ in range(10):
        fail(world, unreachable(world))
        world.pass_by(8)
    told = escalate(world)
    assert 50 == len(told)
    assert "slack could not be reached for 1 min: notified mail instead" in told[0]
    assert {"slack", "mail"} == channels(world, 1)


def test_fallback_acts_at_once_when_the_digest_is_a_dead_letter(world: World) -> None:
    world.fire(50)
    world.watch()
    fail(world, GiveUp(Reason.DESTINATION, "channel_not_found"))
    world.pass_by(5)
    world.watch()
    told = escalate(world)
    assert 50 == len(told)
    assert "slack could not deliver it (destination: channel_not_found): notified mail instead" in told[0]


def test_what_joins_after_the_digest_could_be_told_last_falls_back(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.fire(1, name="New")
    world.pass_by(5)
    world.watch()
    for _ in range(10):
        fail(world, unreachable(world))
        world.pass_by(8)
    (told,) = escalate(world)
    assert told.startswith("#52: slack could not be reached")


def test_what_collapses_after_the_digest_could_be_told_last_falls_back(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.fire(4, "critical", "Down")
    with world.engine.begin() as connection:  # as after a try that was refused for now
        down = sa.update(delivery).where(delivery.c.incident_number > 51)
        connection.execute(down.values(due_at=at(20)))
    world.fire(1, name="More")
    world.pass_by(5)
    world.watch()
    assert ["Storm on slack"] == world.send_all(2)  # it knows nothing of the criticals
    world.pass_by(15)
    world.fire(9, "critical", "Down9")
    world.watch()
    for _ in range(10):
        fail(world, unreachable(world))
        world.pass_by(8)
    told = {int(text.split(":")[0].removeprefix("#")) for text in escalate(world)}
    assert set(range(52, 56)) <= told


def test_when_it_is_over_fallback_looks_after_what_is_left(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.pass_by(1000)
    assert [] == escalate(world)
    world.policy = replace(POLICY, storms={})
    world.watch()
    with world.engine.begin() as connection:
        connection.execute(sa.text("UPDATE channel_state SET failing = true"))
    assert 50 == len(escalate(world))


def test_a_digest_has_no_fallback_of_its_own(world: World) -> None:
    world.fire(50)
    world.watch()
    fail(world, GiveUp(Reason.DESTINATION, "channel_not_found"))
    escalate(world)
    assert {"slack"} == channels(world, 51)


def test_changes_are_told_while_all_that_waits_is_held(world: World) -> None:
    change = ChangeEvent("deploy", "api", at(0), "v2 deployed")
    StoreChanges(world.engine, lambda: world.now, lambda: ("slack",)).record(change)
    world.fire(50)
    changes = StoreChangeDeliveries(world.engine)
    assert [] == changes.waiting(["slack"], world.now)
    world.send_all(2)
    assert ["slack"] == changes.waiting(["slack"], world.now)


def test_a_mute_interval_that_has_not_passed_is_no_storm(world: World) -> None:
    world.fire(50)
    with world.engine.begin() as connection:
        connection.execute(sa.update(delivery).values(hold_reason="nights", due_at=at(9000)))
    assert [] == world.watch()
    assert ("held", "muted by nights") == world.standing(1)
    world.pass_by(9000)
    assert ["slack storms, reported in #51"] == world.watch()
