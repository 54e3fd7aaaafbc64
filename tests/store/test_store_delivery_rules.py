"""SQL over thousands of rows decides like the pure rules; rows and values are equivalent. On both databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
import sqlalchemy as sa

from bridge.core.delivery.dead_letters import DeadLetterFilter, replay
from bridge.core.delivery.delivery import Delivery
from bridge.core.errors import Reason
from bridge.core.incidents.actions import acknowledge
from bridge.core.model import Severity, Target
from bridge.core.ports import ChannelCapacity, GiveUp, Outcome, RetryAt, Sent
from bridge.core.storms.detection import Storm
from bridge.store import StoreDeadLetters, StoreDeliveries
from bridge.store.applying import Writing
from bridge.store.database import reading, transaction
from bridge.store.rows import DELIVERY, delivery_from, delivery_row
from bridge.store.suppression import WAITS_UNNOTIFIED, suppressed_in
from bridge.store.tables import delivery, incident
from tests.builders import an_alert, at
from tests.store.storm_world import CAPACITY, POLICY, World

CRITICAL, WARNING = Severity.CRITICAL.rank, Severity.WARNING.rank
PLAIN = Delivery(1, Target("slack"), WARNING, True, 1, at(0), at(0), at(0))


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def keep(world: World, deliveries: Sequence[Delivery]) -> None:
    with transaction(world.engine) as connection:
        connection.execute(sa.delete(delivery))
        connection.execute(sa.insert(delivery), [delivery_row(each) for each in deliveries])


def stored(world: World, *where: sa.ColumnElement[bool]) -> list[Delivery]:
    query = sa.select(*DELIVERY).where(*where).order_by(delivery.c.incident_number, delivery.c.recipient)
    with reading(world.engine) as connection:
        return [delivery_from(row) for row in connection.execute(query).mappings()]


def test_a_row_and_its_value_are_equivalent(world: World) -> None:
    world.fire(1)
    full = Delivery(
        incident_number=1, target=Target("mail", "a@x.org"), rank=2, firing=False, wanted=7, wanted_at=at(1),
        changed_at=at(2), due_at=at(3), pending=False, muted_by="nights", sent=6, sent_at=at(4), handle={"ts": ["1"]},
        lease="w.1", lease_until=at(5), in_flight=True, attempted_at=at(6), attempts=8, shrink=True, frozen_revision=5,
        failed_at=at(7), alone=9, last_error="payload: x", refused="{}", dead=True,
        dead_reason=Reason.PAYLOAD, dead_at=at(8),
    )  # fmt: skip
    keep(world, [PLAIN, full])
    assert stored(world) == [PLAIN, full]


def test_unnotified_and_suppressed_deliveries_are_the_same_for_rows_and_values(world: World) -> None:
    world.fire(2)
    either = (True, False)
    states = product(either, either, (0, 3), either, ({}, {"ts": "1"}), (CRITICAL, WARNING), (1, 2))
    deliveries = [
        replace(
            PLAIN, incident_number=number, target=Target("slack", str(index)), pending=pending, firing=firing,
            sent=sent, in_flight=in_flight, handle=handle, rank=rank,
        )
        for index, (pending, firing, sent, in_flight, handle, rank, number) in enumerate(states)
    ]  # fmt: skip
    keep(world, deliveries)
    storm = Storm("slack", 2, WARNING, at(0), at(0), None, at(0), 1, WARNING)
    every = stored(world)
    assert len(every) == 128
    assert stored(world, WAITS_UNNOTIFIED) == [each for each in every if each.waits_unnotified]
    suppressed = [each for each in every if storm.suppresses(each)]
    assert suppressed and stored(world, suppressed_in(storm.rank, storm.number)) == suppressed


def test_a_replay_of_many_rows_equals_the_pure_replay_of_each(world: World) -> None:
    world.fire(2)
    with transaction(world.engine) as connection:
        connection.execute(sa.update(incident).where(incident.c.number == 2).values(state="resolved"))
    letters = [
        replace(
            PLAIN, incident_number=number, target=Target("mail", f"{index}@x.org"), firing=firing, sent=sent,
            pending=False, dead=True, dead_reason=Reason.DESTINATION, dead_at=at(9), last_error="destination: gone",
            attempts=4, shrink=True, failed_at=at(8), alone=2, handle={"ts": "1"} if sent else {}, refused="{}",
        )
        for index, (number, firing, sent) in enumerate(product((1, 2), (True, False), (0, 1)))
    ]  # fmt: skip
    keep(world, letters)
    assert StoreDeadLetters(world.engine).replay(DeadLetterFilter(), at(20)) == len(letters)
    assert stored(world) == [replay(each, resolved=each.incident_number == 2, now=at(20)) for each in letters]


OUTCOMES: list[Outcome] = [
    Sent({"ts": "1"}),
    RetryAt(at(2), Reason.SERVER, "HTTP 503"),
    GiveUp(Reason.DESTINATION, "gone"),
]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_change_planned_while_an_attempt_ends_loses_neither(world: World, outcome: Outcome) -> None:
    """On PostgreSQL a worker settles between the read and the write of another transaction."""
    world.fire(1)
    (claim,) = world.claim()
    with transaction(world.engine) as connection:
        writing = Writing(connection, POLICY, world.now)
        writing.load_deliveries([1])
        settled = delivery.c.lease == claim.lease
        sent = {"sent": 1, "pending": False} if isinstance(outcome, Sent) else {"pending": isinstance(outcome, RetryAt)}
        reason = outcome.reason.value if isinstance(outcome, GiveUp) else None
        dead = {"dead": reason is not None, "dead_reason": reason}
        connection.execute(sa.update(delivery).where(settled).values(lease=None, in_flight=False, **sent, **dead))
        writing.add(acknowledge(world.incident(1), "ada", world.now))
        writing.write()
    (found,) = stored(world, delivery.c.channel == "slack")
    assert (found.pending, found.dead, found.dead_reason, found.wanted) == (True, False, None, 2)


def test_one_batch_of_outcomes_settles_each_delivery_once(world: World) -> None:
    world.receive(*(an_alert(f"Slow{number}", "warning", group="Slow") for number in range(3)))
    wide = ChannelCapacity("slack", 10, None, 10, 60.0)
    first, second, third = world.claim(wide)
    outcomes = list(zip((first, second, third), OUTCOMES, strict=True))
    StoreDeliveries(world.engine).settle([*outcomes, (first, OUTCOMES[2])], world.now)
    found = {each.incident_number: each for each in stored(world)}
    assert (found[1].pending, found[1].sent, found[1].lease) == (False, 1, None)
    assert (found[2].pending, found[2].attempts, found[2].last_error) == (True, 1, "server: HTTP 503")
    assert (found[3].dead, found[3].dead_reason, found[3].dead_at) == (True, Reason.DESTINATION, world.now)


def test_an_outcome_whose_lease_was_lost_changes_nothing(world: World) -> None:
    world.fire(1)
    (lost,) = world.claim()
    world.pass_time(61)
    (taken,) = world.claim(CAPACITY)
    before = stored(world)
    StoreDeliveries(world.engine).settle([(lost, OUTCOMES[2])], world.now)
    assert stored(world) == before
    assert taken.lease == before[0].lease
