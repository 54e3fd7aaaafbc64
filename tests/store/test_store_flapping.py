"""Flapping on both databases: what is held, what is sent, what survives a restart and a reload."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.core.incidents.state_changes import Flapping
from bridge.core.incidents.transitions import Rules
from bridge.core.model import State
from bridge.core.ports import Sent
from bridge.core.routing.tree import Route
from bridge.store import Policy
from tests.builders import an_alert, at
from tests.store.test_store_escalation import CHANNELS, POLICY, TOLD_SLACK, Machine

MINUTE = 60
FLAPPING = Flapping(turns=4, within=timedelta(hours=1), calm=timedelta(minutes=10))
PLAIN = Policy(Rules(flapping=FLAPPING), Route(notify=("pager",)), CHANNELS)
Told = list[tuple[float, str, bool]]


@pytest.fixture
def machine(database_url: str) -> Iterator[Machine]:
    machine = Machine(database_url)
    machine.policy = PLAIN
    yield machine
    machine.engine.dispose()


def flap(machine: Machine, times: int, start: float = 0) -> Told:
    """Begins every two minutes and ends a minute later; what each channel then showed, and when."""
    told = []
    for turn in range(times):
        begin = start + turn * 2 * MINUTE
        for now, ends in ((begin, None), (begin + MINUTE, begin + MINUTE)):
            machine.accept(at(now), an_alert(starts=begin, ends=ends))
            claims = machine.claim(at(now + 1))
            told += [(now / MINUTE, channel, claim.firing) for channel, claim in claims.items()]
            machine.store.settle([(claim, Sent({})) for claim in claims.values()], at(now + 2))
    return told


def test_ten_turns_are_one_notice_and_one_end(machine: Machine) -> None:
    told = flap(machine, 10)
    turns = [(turn, "pager", turn % 2 == 0) for turn in range(7)]
    assert [*turns, (7.0, "pager", True)] == told  # the notice is the last; PagerDuty is not told of another trigger
    assert (State.OPEN, 1) == (machine.state(), machine.reader.health(at(0)).flapping_incidents)
    assert [] == machine.watching.watch(at(29 * MINUTE - 1))
    (line,) = machine.watching.watch(at(29 * MINUTE))
    assert "#1: every alert has ended: it flapped (it began and ended 10 times in 19 min)" == line.split(" and has")[0]
    claims = machine.claim(at(29 * MINUTE + 1))
    assert {"pager": False} == {channel: claim.firing for channel, claim in claims.items()}
    assert (State.RESOLVED, 0, 0) == (
        machine.state(),
        machine.timers(),
        machine.reader.health(at(0)).flapping_incidents,
    )


def test_what_is_held_outlives_the_workers_and_a_later_start_of_another(machine: Machine) -> None:
    flap(machine, 5)
    incident = machine.reader.incident(1)
    assert incident is not None
    assert [True] == [alert.deferred for alert in incident.alerts.values()]
    assert 1 == len(machine.worker().watch(at(5000)))
    assert State.RESOLVED is machine.state()


def test_during_the_hold_it_is_the_same_incident_whatever_reopen_within_says(machine: Machine) -> None:
    machine.policy = replace(PLAIN, rules=Rules(reopen_within=timedelta(0), flapping=FLAPPING))
    flap(machine, 4)
    number = machine.accept(at(16 * MINUTE), an_alert(starts=16 * MINUTE))
    assert 4 == number
    assert (State.OPEN, {}) == (machine.state(4), machine.claim(at(16 * MINUTE + 1)))


def test_it_is_said_of_a_turn_that_it_changed_something(machine: Machine) -> None:
    flap(machine, 4)
    kinds = [entry.kind for entry in machine.reader.timeline(1)]
    assert ["flapping", "held", "delivered"] == kinds[-3:]
    machine.accept(at(9 * MINUTE), an_alert(starts=9 * MINUTE))
    assert "returned" == machine.reader.timeline(1)[-1].kind


def test_escalation_goes_on_over_the_turns_of_a_flap(machine: Machine) -> None:
    machine.policy = replace(POLICY, rules=PLAIN.rules)
    flap(machine, 4)  # the fourth beginning, at 6 min, is the last that anybody was told of
    flap(machine, 4, start=8 * MINUTE)
    assert TOLD_SLACK in machine.watching.watch(at(16 * MINUTE))


def test_an_acknowledgement_outlives_the_turns_of_a_flap(machine: Machine) -> None:
    machine.policy = replace(POLICY, rules=PLAIN.rules)
    flap(machine, 4)
    machine.people.acknowledge(1, "ada", at(8 * MINUTE))
    flap(machine, 4, start=9 * MINUTE)
    assert State.ACKNOWLEDGED is machine.state()
    assert [] == machine.watching.watch(at(18 * MINUTE))


def test_what_fires_on_is_calm_without_a_message_that_rings(machine: Machine) -> None:
    flap(machine, 4)
    machine.accept(at(8 * MINUTE), an_alert(starts=8 * MINUTE))
    (line,) = machine.watching.watch(at(18 * MINUTE))
    assert "#1: no longer flapping: it has fired for 10 min without a break; its end is notified at once now" == line
    assert [False] == [entry.loud for entry in machine.reader.timeline(1) if entry.kind == "steadied"]
    assert {"pager": True} == {name: claim.firing for name, claim in machine.claim(at(18 * MINUTE + 1)).items()}


def test_a_person_who_resolves_what_is_held_is_believed_at_once(machine: Machine) -> None:
    flap(machine, 4)
    machine.people.resolve(1, "ada", at(8 * MINUTE))
    assert {"pager": False} == {name: claim.firing for name, claim in machine.claim(at(8 * MINUTE + 1)).items()}
    assert ([], 0) == (machine.watching.watch(at(50 * MINUTE)), machine.timers())


def test_switched_off_by_a_reload_what_was_held_is_told_at_the_next_look(machine: Machine) -> None:
    flap(machine, 4)
    machine.watching.watch(at(8 * MINUTE))
    machine.policy = replace(PLAIN, rules=Rules(flapping=None))
    machine.watching.watch(at(8 * MINUTE + 5))
    assert State.RESOLVED is machine.state()
