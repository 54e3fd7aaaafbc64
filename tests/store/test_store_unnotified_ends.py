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


def test_an_incident_that_ends_before_delivery_is_skipped_at_once(world: World) -> None:
    world.fire(1)
    world.end(1)
    assert world.claim() == []
    assert world.status_of(1) == ("skipped", "ended before it was delivered")
    assert "ended before it was delivered" in world.texts(1)


def test_a_dead_letter_is_skipped_after_the_end_of_its_incident(world: World) -> None:
    world.fire(1)
    (claim,) = world.claim()
    StoreDeliveries(world.engine).settle([(claim, GiveUp(Reason.DESTINATION, "channel_not_found"))], world.now)
    assert world.reader.health(world.now).dead == {"slack": 1}
    world.end(1)
    assert world.reader.health(world.now).dead == {}
    assert world.status_of(1)[0] == "skipped"


def test_the_resolve_is_skipped_if_the_trigger_never_arrived(world: World) -> None:
    world.fire(1)
    (claim,) = world.claim()
    world.end(1)
    refused = RetryAt(at(2), Reason.RATE_LIMITED, "HTTP 429")
    StoreDeliveries(world.engine).settle([(claim, refused)], world.now)
    assert world.status_of(1)[0] == "pending"
    world.pass_time(5)
    assert world.claim() == []
    assert world.status_of(1) == ("skipped", "ended before it was delivered")
    assert "ended before it was delivered" in world.texts(1)


def test_the_resolve_is_sent_if_a_worker_leased_the_trigger_meanwhile(world: World) -> None:
    world.fire(1)
    with transaction(world.engine) as connection:
        writing = Writing(connection, POLICY, world.now)
        writing.load_deliveries([1])
        connection.execute(sa.update(delivery).values(in_flight=True))  # as if another worker had leased it
        writing.add(resolve(world.incident(1), "ada", world.now))
        writing.write()
    (claim,) = world.claim()
    assert (claim.unknown, claim.firing, claim.revision) == (True, False, 2)


def test_an_outbreak_of_an_unnotified_incident_is_notified_as_new(world: World) -> None:
    world.fire(1)
    world.end(1)
    world.pass_time(100)
    world.receive(an_alert("Slow0", "warning", starts=100, group="Slow"))
    (claim,) = world.claim()
    assert (claim.incident_number, claim.sent, claim.firing) == (1, 0, True)
