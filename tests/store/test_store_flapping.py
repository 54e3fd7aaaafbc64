"""Flapping on both databases: what is deferred, what is sent, what survives a restart and a reload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.core.incidents.transitions import Rules
from bridge.core.model import State
from tests.builders import an_alert, at
from tests.store.flapping_machine import FLAPPING, MINUTE, PLAIN, flap
from tests.store.machine import NOTIFIED_SLACK, POLICY, Machine


@pytest.fixture
def machine(database_url: str) -> Iterator[Machine]:
    machine = Machine(database_url)
    machine.policy = PLAIN
    yield machine
    machine.engine.dispose()


def test_ten_cycles_are_one_notification_and_one_end(machine: Machine) -> None:
    sends = flap(machine, 10)
    cycles = [(cycle, "pager", cycle % 2 == 0) for cycle in range(7)]
    assert sends == [*cycles, (7.0, "pager", True)]  # the last one is the notice
    assert (machine.state(), machine.reader.health(at(0)).flapping_incidents) == (State.OPEN, 1)
    assert machine.escalations.watch(at(29 * MINUTE - 1)) == []
    (line,) = machine.escalations.watch(at(29 * MINUTE))
    assert line.split(" and has")[0] == "#1: every alert has ended: it flapped (it began and ended 10 times in 19 min)"
    claims = machine.claim(at(29 * MINUTE + 1))
    assert {channel: claim.firing for channel, claim in claims.items()} == {"pager": False}
    assert (
        machine.state(),
        machine.timers(),
        machine.reader.health(at(0)).flapping_incidents,
    ) == (State.RESOLVED, 0, 0)


def test_a_deferred_end_survives_a_restart_of_the_worker(machine: Machine) -> None:
    flap(machine, 5)
    incident = machine.reader.incident(1)
    assert incident is not None
    assert [alert.deferred for alert in incident.alerts.values()] == [True]
    assert len(machine.worker().watch(at(5000))) == 1
    assert machine.state() is State.RESOLVED


def test_a_new_start_during_the_deferral_is_the_same_incident(machine: Machine) -> None:
    machine.policy = replace(PLAIN, rules=Rules(reopen_within=timedelta(0), flapping=FLAPPING))
    flap(machine, 4)
    number = machine.accept(at(16 * MINUTE), an_alert(starts=16 * MINUTE))
    assert number == 4
    assert (machine.state(4), machine.claim(at(16 * MINUTE + 1))) == (State.OPEN, {})


def test_each_state_change_while_flapping_is_in_the_timeline(machine: Machine) -> None:
    flap(machine, 4)
    kinds = [entry.kind for entry in machine.reader.timeline(1)]
    assert kinds[-3:] == ["flapping", "held", "delivered"]
    machine.accept(at(9 * MINUTE), an_alert(starts=9 * MINUTE))
    assert machine.reader.timeline(1)[-1].kind == "returned"


def test_escalation_continues_while_flapping(machine: Machine) -> None:
    machine.policy = replace(POLICY, rules=PLAIN.rules)
    flap(machine, 4)  # the fourth start, at 6 min, is the last that was notified
    flap(machine, 4, start=8 * MINUTE)
    assert NOTIFIED_SLACK in machine.escalations.watch(at(16 * MINUTE))


def test_an_acknowledgement_survives_flapping(machine: Machine) -> None:
    machine.policy = replace(POLICY, rules=PLAIN.rules)
    flap(machine, 4)
    machine.actions.acknowledge(1, "ada", at(8 * MINUTE))
    flap(machine, 4, start=9 * MINUTE)
    assert machine.state() is State.ACKNOWLEDGED
    assert machine.escalations.watch(at(18 * MINUTE)) == []


def test_an_alert_that_keeps_firing_stops_flapping_quietly(machine: Machine) -> None:
    flap(machine, 4)
    machine.accept(at(8 * MINUTE), an_alert(starts=8 * MINUTE))
    (line,) = machine.escalations.watch(at(18 * MINUTE))
    assert line == "#1: no longer flapping: it has fired for 10 min without a break; its end is notified at once now"
    assert [entry.loud for entry in machine.reader.timeline(1) if entry.kind == "steadied"] == [False]
    assert {name: claim.firing for name, claim in machine.claim(at(18 * MINUTE + 1)).items()} == {"pager": True}


def test_a_resolve_by_a_user_ends_the_deferral_at_once(machine: Machine) -> None:
    flap(machine, 4)
    machine.actions.resolve(1, "ada", at(8 * MINUTE))
    assert {name: claim.firing for name, claim in machine.claim(at(8 * MINUTE + 1)).items()} == {"pager": False}
    assert (machine.escalations.watch(at(50 * MINUTE)), machine.timers()) == ([], 0)


def test_a_deferred_end_is_notified_after_a_reload_that_switches_flapping_off(machine: Machine) -> None:
    flap(machine, 4)
    machine.escalations.watch(at(8 * MINUTE))
    machine.policy = replace(PLAIN, rules=Rules(flapping=None))
    machine.escalations.watch(at(8 * MINUTE + 5))
    assert machine.state() is State.RESOLVED
