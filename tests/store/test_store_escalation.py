"""Fallbacks, escalations and old acknowledgements on both databases: due, done once, remembered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from bridge.core.errors import Reason
from bridge.core.incidents.transitions import Rules
from bridge.core.model import Alert, ChannelSpec, State
from bridge.core.ports import ChannelCapacity, Claim, GiveUp, Outcome, RetryAt, Sent
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.tree import Escalation, Route
from bridge.core.timeline import EntryKind
from bridge.store import (
    Policy,
    StoreActions,
    StoreDeliveries,
    StoreEscalations,
    StoreIntake,
    StoreReader,
    open_database,
)
from bridge.store.tables import timer
from tests.builders import a_group, an_alert, at

STEP = Escalation(timedelta(minutes=10), ("slack",))
CRITICAL = Route(parse_matchers('severity="critical"'), ("pager",), fallback=("mail",), escalate=(STEP,))
CHANNELS = {name: ChannelSpec(name, edits=name != "mail") for name in ("pager", "mail", "slack", "boss")}
POLICY = Policy(Rules(), Route(notify=("boss",), routes=(CRITICAL,)), CHANNELS)
CAPACITIES = [ChannelCapacity(name, 100, None, 1, 60.0) for name in CHANNELS]


class Machine:
    """One bridge on one database, at whatever time the test says."""

    def __init__(self, url: str) -> None:
        self.engine, self.policy = open_database(url), POLICY
        self.store, self.reader = StoreDeliveries(self.engine), StoreReader(self.engine)
        self.people = StoreActions(self.engine, lambda: self.policy)
        self.watching = self.worker()

    def worker(self) -> StoreEscalations:
        return StoreEscalations(self.engine, lambda: self.policy)

    def accept(self, now: datetime, *alerts: Alert, key: str = "k") -> int:
        intake = StoreIntake(self.engine, lambda: self.policy, lambda: now)
        number = intake.accept(a_group(*alerts, key=key)).number
        intake.close()
        return number

    def claim(self, now: datetime) -> dict[str, Claim]:
        return {claim.target.channel: claim for claim in self.store.claim(CAPACITIES, now)}

    def send(self, now: datetime, **outcomes: Outcome) -> set[str]:
        """Every channel that has something to send does so, or ends as told; which had."""
        claims = self.claim(now)
        self.store.settle([(claim, outcomes.get(name, Sent({}))) for name, claim in claims.items()], now)
        return set(claims)

    def state(self, number: int = 1) -> State:
        found = self.reader.incident(number)
        assert found is not None
        return found.state

    def timers(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(timer)) or 0


@pytest.fixture
def machine(database_url: str) -> Iterator[Machine]:
    machine = Machine(database_url)
    yield machine
    machine.engine.dispose()


def down(now: datetime) -> RetryAt:
    later = now + timedelta(seconds=8)
    return RetryAt(later, Reason.SERVER, "HTTP 503", pause_until=later)


TOLD_MAIL = "#1: pager could not be reached for 5 min (server: HTTP 503): notified mail instead"
TOLD_SLACK = "#1: not acknowledged within 10 min: notified slack too"


def test_a_channel_that_stays_unable_hands_over_and_the_end_reaches_both(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    assert {"pager"} == machine.send(at(1), pager=down(at(1)))
    assert [] == machine.watching.watch(at(299))
    assert [TOLD_MAIL] == machine.watching.watch(at(300))
    assert [] == machine.watching.watch(at(301))
    assert {"pager", "mail"} == machine.send(at(302), pager=down(at(302)))
    why = {each.channel: each.why for each in machine.reader.deliveries(1)}
    assert "notified because pager could not be reached for 5 min (server: HTTP 503)" == why["mail"]
    assert {"pager"} == machine.send(at(320))  # it recovers, and shows the current truth
    machine.accept(at(330), an_alert(ends=325))
    claims = machine.claim(at(331))
    assert {"pager": False, "mail": False} == {name: claim.firing for name, claim in claims.items()}


def test_a_dead_letter_hands_over_when_the_timers_are_looked_at_next(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1), pager=GiveUp(Reason.DESTINATION, "HTTP 404"))
    assert ["#1: pager could not deliver it (destination: HTTP 404): notified mail instead"] == machine.watching.watch(
        at(2)
    )
    assert {"pager", "mail"} == machine.send(at(3))  # what is new to tell is a reason to try again


def test_a_dead_letter_without_a_fallback_leaves_no_timer(machine: Machine) -> None:
    machine.accept(at(0), an_alert(severity="info"))
    machine.send(at(1), boss=GiveUp(Reason.DESTINATION, "HTTP 404"))
    assert (1, [], 0) == (machine.timers(), machine.watching.watch(at(2)), machine.timers())


def test_a_delivered_page_needs_no_fallback_and_its_timer_goes(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    assert 2 == machine.timers()
    assert [] == machine.watching.watch(at(300))
    assert 1 == machine.timers()


def test_a_backlog_of_a_channel_that_works_is_no_reason_for_a_fallback(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    assert [] == machine.watching.watch(at(400))
    machine.send(at(401), pager=down(at(401)))
    assert [] == machine.watching.watch(at(402))  # looked at a moment ago
    assert 1 == len(machine.watching.watch(at(420)))


def test_a_quiet_change_that_cannot_be_shown_is_no_reason_for_a_fallback(machine: Machine) -> None:
    machine.accept(at(0), an_alert(), an_alert("Other"))
    machine.send(at(1))
    machine.accept(at(20), an_alert(), an_alert("Other", ends=19))
    assert {"pager"} == machine.send(at(21), pager=down(at(21)))
    assert [] == machine.watching.watch(at(500))
    machine.accept(at(501), an_alert(), an_alert("More"))
    notified = machine.watching.watch(at(520))
    assert ["#1: pager could not be reached for 8 min (server: HTTP 503): notified mail instead"] == notified


def test_an_unacknowledged_incident_escalates_once_and_its_end_reaches_everybody(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    assert [] == machine.watching.watch(at(599))
    assert [TOLD_SLACK] == machine.watching.watch(at(600))
    assert {"pager", "slack"} == machine.send(at(601))
    machine.accept(at(700), an_alert(), an_alert("Other"))
    assert {"pager", "slack"} == machine.send(at(701))  # later changes reach it too
    assert [] == machine.watching.watch(at(5000))
    machine.accept(at(5001), an_alert(ends=5000), an_alert("Other", ends=5000))
    assert ({"pager", "slack"}, 0) == (machine.send(at(5002)), machine.timers())


def test_an_acknowledgement_stops_what_has_not_been_done(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.people.acknowledge(1, "ada", at(500))
    assert ([], 1) == (machine.watching.watch(at(3000)), machine.timers())


def test_what_is_opened_again_starts_anew(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    machine.watching.watch(at(600))
    machine.send(at(601))
    machine.accept(at(700), an_alert(ends=699))
    machine.send(at(701))
    machine.accept(at(800), an_alert(starts=790))
    assert {"pager"} == machine.send(at(801))  # not those who were told in the end only
    assert [] == machine.watching.watch(at(1399))
    assert [TOLD_SLACK] == machine.watching.watch(at(1400))
    assert {"pager", "slack"} == machine.send(at(1401))


def test_an_old_acknowledgement_is_over_and_the_steps_begin_again(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    machine.people.acknowledge(1, "ada", at(60))
    machine.send(at(61))
    half_a_day = 12 * 3600
    assert [] == machine.watching.watch(at(half_a_day + 59))
    assert ["#1: open again: ada acknowledged it 12 h ago, and it is not over"] == machine.watching.watch(
        at(half_a_day + 60)
    )
    assert (State.OPEN, {"pager"}) == (machine.state(), machine.send(at(half_a_day + 61)))
    assert [TOLD_SLACK] == machine.watching.watch(at(half_a_day + 660))


def test_a_critical_alert_that_joins_an_acknowledged_incident_opens_it_and_starts_the_steps(machine: Machine) -> None:
    machine.accept(at(0), an_alert(severity="info"))
    machine.people.acknowledge(1, "ada", at(60))
    machine.accept(at(100), an_alert(severity="info"), an_alert("Down"))
    assert State.OPEN is machine.state()
    assert [] == machine.watching.watch(at(699))
    assert [TOLD_SLACK] == machine.watching.watch(at(700))


def test_timers_survive_another_worker_and_a_changed_file(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    machine.watching.watch(at(100))
    elsewhere = replace(CRITICAL, path="route.routes[7]")
    machine.policy = replace(POLICY, tree=Route(notify=("boss",), routes=(elsewhere,)))
    assert [] == machine.watching.watch(at(599))
    assert [TOLD_SLACK] == machine.worker().watch(at(600))


def test_a_step_that_comes_with_a_changed_file_counts_from_then_on(machine: Machine) -> None:
    machine.policy = replace(POLICY, tree=Route(notify=("pager",)))
    numbers = [machine.accept(at(0), an_alert(), key=str(key)) for key in range(3)]
    machine.watching.watch(at(1))
    machine.policy = POLICY
    assert [] == machine.watching.watch(at(1000))
    assert [] == machine.watching.watch(at(1599))
    assert len(numbers) == len(machine.watching.watch(at(1600)))


def test_a_step_that_the_changed_file_has_no_more_does_nothing(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.policy = replace(POLICY, tree=Route(notify=("pager",)))
    assert ([], 0) == (machine.watching.watch(at(600)), machine.timers())


def test_of_many_workers_each_timer_is_acted_upon_by_one(machine: Machine) -> None:
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
    assert 10 == len(done) == len(set(done))
    escalated = [
        [e.kind for e in machine.reader.timeline(number)].count(EntryKind.ESCALATED) for number in range(1, 11)
    ]
    assert [1] * 10 == escalated


def test_more_than_one_look_can_carry_is_done_over_several(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.store.escalations.BATCH", 2)
    monkeypatch.setattr("bridge.store.escalations.ROUNDS", 1)
    for key in range(5):
        machine.accept(at(0), an_alert(), key=str(key))
    assert [2, 2, 1, 0] == [len(machine.watching.watch(at(600))) for _ in range(4)]


def test_what_is_forgotten_takes_its_timers_along(machine: Machine) -> None:
    machine.accept(at(0), an_alert())
    machine.send(at(1), pager=down(at(1)))
    machine.watching.watch(at(300))
    machine.people.resolve(1, "ada", at(301))
    machine.send(at(302))
    machine.send(at(310))
    assert 1 == machine.store.forget(at(10_000))
    assert (0, None) == (machine.timers(), machine.reader.incident(1))
