"""The resolve is skipped if the trigger was never delivered; on both databases."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bridge.core.errors import Reason
from bridge.core.incidents.actions import resolve
from bridge.core.ports import GiveUp, RetryAt
from bridge.store import StoreDeliveries
from bridge.store.applying import Writing
from bridge.store.database import transaction
from bridge.store.tables import delivery
from tests.builders import an_alert, at
from tests.store.storm_world import POLICY, World


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def test_what_ends_before_it_could_be_told_is_settled_at_once(world: World) -> None:
    world.fire(1)
    world.end(1)
    assert [] == world.claim()
    assert ("skipped", "ended before it was delivered") == world.standing(1)
    assert "ended before it was delivered" in world.texts(1)


def test_a_dead_letter_whose_incident_has_ended_is_none_any_more(world: World) -> None:
    world.fire(1)
    (claim,) = world.claim()
    StoreDeliveries(world.engine).settle([(claim, GiveUp(Reason.DESTINATION, "channel_not_found"))], world.now)
    assert {"slack": 1} == world.reader.health(world.now).dead
    world.end(1)
    assert {} == world.reader.health(world.now).dead
    assert "skipped" == world.standing(1)[0]


def test_the_end_of_what_was_being_sent_but_never_arrived_is_not_told(world: World) -> None:
    world.fire(1)
    (claim,) = world.claim()
    world.end(1)
    refused = RetryAt(at(2), Reason.RATE_LIMITED, "HTTP 429")
    StoreDeliveries(world.engine).settle([(claim, refused)], world.now)
    assert "pending" == world.standing(1)[0]
    world.pass_by(5)
    assert [] == world.claim()
    assert ("skipped", "ended before it was delivered") == world.standing(1)
    assert "ended before it was delivered" in world.texts(1)


def test_the_end_of_what_a_worker_took_meanwhile_is_followed_up(world: World) -> None:
    world.fire(1)
    with transaction(world.engine) as connection:
        writing = Writing(connection, POLICY, world.now)
        writing.load_deliveries([1])
        connection.execute(sa.update(delivery).values(in_flight=True))  # as if another connection had leased it
        writing.add(resolve(world.incident(1), "ada", world.now))
        writing.write()
    (claim,) = world.claim()
    assert (True, False, 2) == (claim.unknown, claim.firing, claim.revision)


def test_an_outbreak_of_what_nobody_heard_of_is_told_as_new(world: World) -> None:
    world.fire(1)
    world.end(1)
    world.pass_by(100)
    world.receive(an_alert("Slow0", "warning", starts=100, group="Slow"))
    (claim,) = world.claim()
    assert (1, 0, True) == (claim.incident_number, claim.sent, claim.firing)
