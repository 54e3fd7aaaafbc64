"""Fallbacks, escalations and expired acknowledgements on both databases: due, taken once, stored."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bridge.core.errors import Reason
from bridge.core.model import State
from bridge.core.ports import GiveUp, RetryAt
from bridge.core.routing.tree import Route
from bridge.core.timeline import EntryKind
from tests.builders import an_alert, at
from tests.store.machine import CRITICAL, NOTIFIED_SLACK, POLICY, Machine


@pytest.fixture
def machine(database_url: str) -> Iterator[Machine]:
    machine = Machine(database_url)
    yield machine
    machine.engine.dispose()


def down(now: datetime) -> RetryAt:
    later = now + timedelta(seconds=8)
    return RetryAt(later, Reason.SERVER, "HTTP 503", pause_until=later)


NOTIFIED_MAIL = "#1: pager could not be reached for 5 min (server: HTTP 503): notified mail instead"


def test_a_channel_that_keeps_failing_hands_over_and_the_end_reaches_both(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    assert machine.send(at(1), pager=down(at(1))) == {"pager"}
    assert machine.escalations.watch(at(299)) == []
    assert machine.escalations.watch(at(300)) == [NOTIFIED_MAIL]
    assert machine.escalations.watch(at(301)) == []
    assert machine.send(at(302), pager=down(at(302))) == {"pager", "mail"}
    why = {each.channel: each.why for each in machine.reader.deliveries(1)}
    assert why["mail"] == "notified because pager could not be reached for 5 min (server: HTTP 503)"
    assert machine.send(at(320)) == {"pager"}  # it recovers, and shows the current state
    machine.accept(at(330), an_alert(ends=325))
    claims = machine.claim(at(331))
    assert {name: claim.firing for name, claim in claims.items()} == {"pager": False, "mail": False}


def test_a_dead_letter_hands_over_at_the_next_check_of_the_timers(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1), pager=GiveUp(Reason.DESTINATION, "HTTP 404"))
    assert machine.escalations.watch(at(2)) == [
        "#1: pager could not deliver it (destination: HTTP 404): notified mail instead"
    ]
    assert machine.send(at(3)) == {"pager", "mail"}  # the new revision is attempted


def test_a_dead_letter_without_a_fallback_leaves_no_timer(machine: Machine) -> None:
    machine.accept(at(0), an_alert(severity="info"))
    machine.send(at(1), boss=GiveUp(Reason.DESTINATION, "HTTP 404"))
    assert (machine.timers(), machine.escalations.watch(at(2)), machine.timers()) == (1, [], 0)


def test_a_delivered_page_needs_no_fallback_and_its_timer_is_removed(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    assert machine.timers() == 2
    assert machine.escalations.watch(at(300)) == []
    assert machine.timers() == 1


def test_a_backlog_of_a_working_channel_causes_no_fallback(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    assert machine.escalations.watch(at(400)) == []
    machine.send(at(401), pager=down(at(401)))
    assert machine.escalations.watch(at(402)) == []  # checked a moment ago
    assert len(machine.escalations.watch(at(420))) == 1


def test_an_undelivered_quiet_change_causes_no_fallback(machine: Machine) -> None:
    machine.accept(at(0), an_alert(), an_alert("Other"))
    machine.send(at(1))
    machine.accept(at(20), an_alert(), an_alert("Other", ends=19))
    assert machine.send(at(21), pager=down(at(21))) == {"pager"}
    assert machine.escalations.watch(at(500)) == []
    machine.accept(at(501), an_alert(), an_alert("More"))
    notified = machine.escalations.watch(at(520))
    assert notified == ["#1: pager could not be reached for 8 min (server: HTTP 503): notified mail instead"]


def test_an_unacknowledged_incident_escalates_once_and_its_end_reaches_all_channels(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    assert machine.escalations.watch(at(599)) == []
    assert machine.escalations.watch(at(600)) == [NOTIFIED_SLACK]
    assert machine.send(at(601)) == {"pager", "slack"}
    machine.accept(at(700), an_alert(), an_alert("Other"))
    assert machine.send(at(701)) == {"pager", "slack"}  # later changes reach it too
    assert machine.escalations.watch(at(5000)) == []
    machine.accept(at(5001), an_alert(ends=5000), an_alert("Other", ends=5000))
    assert (machine.send(at(5002)), machine.timers()) == ({"pager", "slack"}, 0)


def test_an_acknowledgement_stops_later_steps(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.actions.acknowledge(1, "ada", at(500))
    assert (machine.escalations.watch(at(3000)), machine.timers()) == ([], 1)


def test_a_reopened_incident_starts_its_steps_anew(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    machine.escalations.watch(at(600))
    machine.send(at(601))
    machine.accept(at(700), an_alert(ends=699))
    machine.send(at(701))
    machine.accept(at(800), an_alert(starts=790))
    assert machine.send(at(801)) == {"pager"}  # without the channel that was only added by the escalation
    assert machine.escalations.watch(at(1399)) == []
    assert machine.escalations.watch(at(1400)) == [NOTIFIED_SLACK]
    assert machine.send(at(1401)) == {"pager", "slack"}


def test_an_expired_acknowledgement_starts_the_steps_again(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    machine.actions.acknowledge(1, "ada", at(60))
    machine.send(at(61))
    half_a_day = 12 * 3600
    assert machine.escalations.watch(at(half_a_day + 59)) == []
    assert machine.escalations.watch(at(half_a_day + 60)) == [
        "#1: open again: ada acknowledged it 12 h ago, and it is not over"
    ]
    assert (machine.state(), machine.send(at(half_a_day + 61))) == (State.OPEN, {"pager"})
    assert machine.escalations.watch(at(half_a_day + 660)) == [NOTIFIED_SLACK]


def test_a_critical_alert_reopens_an_acknowledged_incident_and_starts_the_steps(machine: Machine) -> None:
    machine.accept(at(0), an_alert(severity="info"))
    machine.actions.acknowledge(1, "ada", at(60))
    machine.accept(at(100), an_alert(severity="info"), an_alert("Down"))
    assert machine.state() is State.OPEN
    assert machine.escalations.watch(at(699)) == []
    assert machine.escalations.watch(at(700)) == [NOTIFIED_SLACK]


def test_timers_survive_a_new_worker_and_a_changed_configuration(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    machine.escalations.watch(at(100))
    elsewhere = replace(CRITICAL, path="route.routes[7]")
    machine.policy = replace(POLICY, tree=Route(notify=("boss",), routes=(elsewhere,)))
    assert machine.escalations.watch(at(599)) == []
    assert machine.worker().watch(at(600)) == [NOTIFIED_SLACK]


def test_a_new_step_of_a_changed_configuration_counts_from_then_on(machine: Machine) -> None:
    machine.policy = replace(POLICY, tree=Route(notify=("pager",)))
    numbers = [machine.accept(at(0), an_alert(), key=str(key)) for key in range(3)]
    machine.escalations.watch(at(1))
    machine.policy = POLICY
    assert machine.escalations.watch(at(1000)) == []
    assert machine.escalations.watch(at(1599)) == []
    assert len(machine.escalations.watch(at(1600))) == len(numbers)


def test_a_removed_step_does_nothing(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.policy = replace(POLICY, tree=Route(notify=("pager",)))
    assert (machine.escalations.watch(at(600)), machine.timers()) == ([], 0)


def test_each_timer_is_handled_by_only_one_of_many_workers(machine: Machine) -> None:
    for key in range(10):
        machine.accept(at(0), an_alert(), key=str(key))
    done: list[str] = []
    together = threading.Barrier(4)

    def watch() -> None:
        worker = machine.worker()
        together.wait()
        for _ in range(4):
            done.extend(worker.watch(at(600)))

    threads = [threading.Thread(target=watch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == len(set(done)) == 10
    escalated = [
        [e.kind for e in machine.reader.timeline(number)].count(EntryKind.ESCALATED) for number in range(1, 11)
    ]
    assert escalated == [1] * 10


def test_many_due_timers_are_handled_over_several_checks(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.store.escalations.BATCH", 2)
    monkeypatch.setattr("bridge.store.escalations.ROUNDS", 1)
    for key in range(5):
        machine.accept(at(0), an_alert(), key=str(key))
    assert [len(machine.escalations.watch(at(600))) for _ in range(4)] == [2, 2, 1, 0]


def test_the_timers_of_a_deleted_incident_are_deleted(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1), pager=down(at(1)))
    machine.escalations.watch(at(300))
    machine.actions.resolve(1, "ada", at(301))
    machine.send(at(302))
    machine.send(at(310))
    assert machine.store.forget(at(10_000)) == 1
    assert (machine.timers(), machine.reader.incident(1)) == (0, None)
