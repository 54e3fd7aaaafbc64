"""A clock that goes back holds nothing for longer that a storm or a flap holds back on purpose."""

from __future__ import annotations

from bridge.store import StoreDeliveries, open_database
from bridge.worker.housekeeping import LONGEST_AHEAD
from tests.builders import at
from tests.store.flapping_machine import MINUTE, PLAIN, flap
from tests.store.machine import Machine
from tests.store.storm_world import World

DAY = 86_400


def test_a_storm_with_a_quiet_period_in_the_future_ends_after_a_quiet_period(database_url: str) -> None:
    engine = open_database(database_url)
    world = World(engine)
    world.seconds = DAY
    world.fire(20)
    assert world.watch()
    world.end(20)
    assert world.watch() == []
    world.seconds = 10
    StoreDeliveries(engine).mend_times(world.now, LONGEST_AHEAD)
    world.watch()
    world.pass_time(120)
    assert world.watch() == ["the storm on slack is over, reported in #21"]
    engine.dispose()


def test_an_end_deferred_in_the_future_is_notified_after_a_quiet_period(database_url: str) -> None:
    machine = Machine(database_url)
    machine.policy = PLAIN
    flap(machine, 5, start=DAY)
    machine.store.mend_times(at(0), LONGEST_AHEAD)
    assert machine.escalations.watch(at(10 * MINUTE - 1)) == []
    (line,) = machine.escalations.watch(at(20 * MINUTE))
    assert line.startswith("#1: every alert has ended: it flapped")
    machine.engine.dispose()
