"""Suppressed incidents in probes, on pages and for fallbacks."""

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
    """As a worker that has just started, until nothing is left to do."""
    escalations, notified = StoreEscalations(world.engine, lambda: world.policy), list[str]()
    while done := escalations.watch(world.now):
        notified += done
    return notified


def channels(world: World, number: int) -> set[str]:
    return {each.channel for each in world.reader.deliveries(number)}


def fail(world: World, outcome: RetryAt | GiveUp) -> None:
    claims = world.claim()
    assert [world.incident(claim.incident_number).title for claim in claims] == ["Storm on slack"]
    StoreDeliveries(world.engine).settle([(claim, outcome) for claim in claims], world.now)


def unreachable(world: World) -> RetryAt:
    return RetryAt(at(world.seconds + 8), Reason.SERVER, "HTTP 503", pause_until=at(world.seconds + 8))


def test_suppressed_deliveries_are_not_overdue_but_an_undelivered_digest_is(world: World) -> None:
    world.fire(50)
    world.watch()
    world.pass_time(100)
    assert world.reader.health(world.now).overdue_seconds == {"slack": 100.0}
    world.send()
    assert world.reader.health(world.now).overdue_seconds == {}


def test_health_counts_suppressed_incidents(world: World) -> None:
    assert world.reader.health(world.now).storms == {}
    world.fire(50)
    world.watch()
    assert world.reader.health(world.now).storms == {"slack": 50}
    world.end(50)
    assert world.reader.health(world.now).storms == {"slack": 0}


def test_suppressed_incidents_are_listed_the_most_severe_first(world: World) -> None:
    world.fire(9)
    world.fire(9, "critical", "Down")
    assert world.reader.page_of_held("slack", world.now).items == ()
    world.watch()
    assert [each.number for each in world.reader.page_of_held("slack", world.now).items] == [
        *range(10, 19),
        *range(1, 10),
    ]
    assert world.reader.page_of_held("mail", world.now).items == ()


def test_incidents_in_a_delivered_digest_have_no_fallback(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.pass_time(1000)
    claims = world.claim()
    assert claims == []
    with world.engine.begin() as connection:
        connection.execute(sa.text("UPDATE channel_state SET failing = true"))
    assert escalate(world) == []
    assert channels(world, 1) == {"slack"}


def test_an_undelivered_digest_causes_fallbacks(world: World) -> None:
    world.fire(50)
    world.watch()
    for _ in range(10):
        fail(world, unreachable(world))
        world.pass_time(8)
    notified = escalate(world)
    assert len(notified) == 50
    assert "slack could not be reached for 1 min: notified mail instead" in notified[0]
    assert channels(world, 1) == {"slack", "mail"}


def test_a_digest_that_is_a_dead_letter_causes_fallbacks_at_once(world: World) -> None:
    world.fire(50)
    world.watch()
    fail(world, GiveUp(Reason.DESTINATION, "channel_not_found"))
    world.pass_time(5)
    world.watch()
    notified = escalate(world)
    assert len(notified) == 50
    assert "slack could not deliver it (destination: channel_not_found): notified mail instead" in notified[0]


def test_an_incident_that_joins_after_the_last_delivered_digest_has_a_fallback(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.fire(1, name="New")
    world.pass_time(5)
    world.watch()
    for _ in range(10):
        fail(world, unreachable(world))
        world.pass_time(8)
    (notified,) = escalate(world)
    assert notified.startswith("#52: slack could not be reached")


def test_an_incident_that_collapses_after_the_last_delivered_digest_has_a_fallback(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.fire(4, "critical", "Down")
    with world.engine.begin() as connection:  # as after a refused attempt
        down = sa.update(delivery).where(delivery.c.incident_number > 51)
        connection.execute(down.values(due_at=at(20)))
    world.fire(1, name="More")
    world.pass_time(5)
    world.watch()
    assert world.send_all(2) == ["Storm on slack"]  # without the criticals
    world.pass_time(15)
    world.fire(9, "critical", "Down9")
    world.watch()
    for _ in range(10):
        fail(world, unreachable(world))
        world.pass_time(8)
    notified = {int(text.split(":")[0].removeprefix("#")) for text in escalate(world)}
    assert set(range(52, 56)) <= notified


def test_after_a_storm_the_remaining_deliveries_have_fallbacks_again(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.pass_time(1000)
    assert escalate(world) == []
    world.policy = replace(POLICY, storms={})
    world.watch()
    with world.engine.begin() as connection:
        connection.execute(sa.text("UPDATE channel_state SET failing = true"))
    assert len(escalate(world)) == 50


def test_a_digest_has_no_fallback_of_its_own(world: World) -> None:
    world.fire(50)
    world.watch()
    fail(world, GiveUp(Reason.DESTINATION, "channel_not_found"))
    escalate(world)
    assert channels(world, 51) == {"slack"}


def test_changes_are_delivered_while_all_incidents_are_suppressed(world: World) -> None:
    change = ChangeEvent("deploy", "api", at(0), "v2 deployed")
    StoreChanges(world.engine, lambda: world.now, lambda: ("slack",)).record(change)
    world.fire(50)
    changes = StoreChangeDeliveries(world.engine)
    assert changes.waiting(["slack"], world.now) == []
    world.send_all(2)
    assert changes.waiting(["slack"], world.now) == ["slack"]


def test_muted_deliveries_are_no_storm(world: World) -> None:
    world.fire(50)
    with world.engine.begin() as connection:
        connection.execute(sa.update(delivery).values(hold_reason="nights", due_at=at(9000)))
    assert world.watch() == []
    assert world.status_of(1) == ("held", "muted by nights")
    world.pass_time(9000)
    assert world.watch() == ["slack storms, reported in #51"]
