"""A clock that goes back holds nothing for longer that a storm or a flap holds back on purpose."""

from __future__ import annotations

from bridge.store import StoreDeliveries, open_database
from bridge.worker.housekeeping import LONGEST_AHEAD
from tests.builders import at
from tests.store.storm_world import World
from tests.store.test_store_escalation import Machine
from tests.store.test_store_flapping import MINUTE, PLAIN, flap

DAY = 86_400


def test_a_storm_that_became_calm_in_the_future_is_over_when_it_is_calm(database_url: str) -> None:
    engine = open_database(database_url)
    world = World(engine)
    world.seconds = DAY
    world.fire(20)
    assert world.watch()
    world.end(20)
    assert [] == world.watch()
    world.seconds = 10
    StoreDeliveries(engine).mend_times(world.now, LONGEST_AHEAD)
    world.watch()
    world.pass_by(120)
    assert ["the storm on slack is over, reported in #21"] == world.watch()
    engine.dispose()


def test_an_end_that_was_held_in_the_future_is_told_when_it_is_calm(database_url: str) -> None:
    machine = Machine(database_url)
    machine.policy = PLAIN
    flap(machine, 5, start=DAY)
    machine.store.mend_times(at(0), LONGEST_AHEAD)
    assert [] == machine.watching.watch(at(10 * MINUTE - 1))
    (line,) = machine.watching.watch(at(20 * MINUTE))
    assert line.startswith("#1: every alert has ended: it flapped")
    machine.engine.dispose()
