"""Actions on both databases: in one transaction, once, with one winner of a race, and kept answers for a key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bridge.core.incidents.actions import Action, ActionResult, RequestKey, Verb, Why
from bridge.core.model import State
from bridge.core.timeline import EntryKind, Place
from bridge.store import StoreActions, open_database
from bridge.store.tables import request_key
from tests.builders import an_alert, at
from tests.store.machine import POLICY, Machine

DAY = timedelta(hours=24).total_seconds()


@pytest.fixture
def machine(database_url: str) -> Iterator[Machine]:
    machine = Machine(database_url)
    machine.accept(at(0), an_alert())
    machine.send(at(1))
    yield machine
    machine.engine.dispose()


def an_action(verb: Verb, actor: str = "Ana", *, text: str = "", channel: str = "") -> Action:
    return Action(verb, actor, Place.API, text, channel)


def take(
    machine: Machine, verb: Verb, second: float, actor: str = "Ana", *, text: str = "", channel: str = ""
) -> ActionResult:
    result = machine.actions.take(1, an_action(verb, actor, text=text, channel=channel), at(second))
    assert result is not None
    return result


def kinds(machine: Machine, actor: str) -> list[str]:
    return [each.kind for each in machine.reader.timeline(1) if each.actor == actor]


def test_an_action_is_stored_with_its_place_and_reaches_the_channels(machine: Machine) -> None:
    result = take(machine, Verb.ACKNOWLEDGE, 5)
    assert (result.state, result.text, result.why) == (State.ACKNOWLEDGED, "Ana acknowledged it", None)
    last = machine.reader.timeline(1)[-1]
    assert (last.kind, last.actor, last.place, last.revision) == ("acknowledged", "Ana", Place.API, result.revision)
    assert machine.claim(at(6))["pager"].incident.acknowledged_by == "Ana"
    opened = machine.reader.timeline(1)[0]
    assert opened.place is None


def test_no_incident_no_result(machine: Machine) -> None:
    for number in (2, 2**31, 2**70):
        assert machine.actions.take(number, an_action(Verb.RESOLVE), at(5), RequestKey("a" * 64, "b" * 64)) is None


def test_a_note_edits_messages_and_mails_nothing(machine: Machine) -> None:
    take(machine, Verb.ESCALATE, 3, channel="mail")
    machine.send(at(4))
    take(machine, Verb.NOTE, 5, text="Rolled back.\nWatching.")
    claims = machine.claim(at(6))
    assert set(claims) == {"pager"}
    assert [(each.kind, each.text) for each in claims["pager"].news if not each.loud] == [
        (EntryKind.NOTED, "Rolled back.\nWatching.")
    ]
    take(machine, Verb.RESOLVE, 80)
    assert any(each.kind is EntryKind.NOTED for each in machine.claim(at(81))["mail"].news)


def test_taking_an_acknowledgement_back_starts_the_steps_over(machine: Machine) -> None:
    take(machine, Verb.ACKNOWLEDGE, 5)
    machine.send(at(6))
    assert take(machine, Verb.UNACKNOWLEDGE, 100).text == "open again: Ana took back the acknowledgement"
    assert machine.send(at(101)) == {"pager"}
    assert machine.escalations.watch(at(699)) == []
    assert machine.escalations.watch(at(701)) == ["#1: not acknowledged within 10 min: notified slack too"]


def test_escalating_takes_the_next_step_at_once_and_only_once(machine: Machine) -> None:
    assert take(machine, Verb.ESCALATE, 5).text == "Ana escalated it: notified slack too"
    assert machine.send(at(6)) == {"pager", "slack"}
    why = {each.channel: each.why for each in machine.reader.deliveries(1)}
    assert why["slack"] == "notified because Ana escalated it"
    assert machine.escalations.watch(at(700)) == []
    assert take(machine, Verb.ESCALATE, 701).why is Why.NO_CHANNEL


def test_escalating_an_acknowledged_incident_opens_it_and_takes_the_step_once(machine: Machine) -> None:
    take(machine, Verb.ACKNOWLEDGE, 5, "Ben")
    assert take(machine, Verb.ESCALATE, 10).state is State.OPEN
    assert machine.send(at(11)) == {"pager", "slack"}
    assert machine.escalations.watch(at(1000)) == []


def test_a_channel_by_name_is_notified_until_the_end(machine: Machine) -> None:
    take(machine, Verb.ESCALATE, 5, channel="boss")
    assert machine.send(at(6)) == {"pager", "boss"}
    assert take(machine, Verb.ESCALATE, 7, "Ben", channel="boss").text == "Ana escalated it to boss just now"
    machine.accept(at(100), an_alert(ends=90))
    assert {name: claim.firing for name, claim in machine.claim(at(101)).items()} == {"pager": False, "boss": False}


def test_what_was_resolved_by_hand_and_still_fires_is_opened_by_the_source(machine: Machine) -> None:
    take(machine, Verb.RESOLVE, 5)
    machine.send(at(6))
    machine.accept(at(400), an_alert())
    assert machine.state() is State.OPEN


def test_of_many_at_once_one_wins_and_the_others_learn_who(machine: Machine, database_url: str) -> None:
    names = [f"user {number}" for number in range(8)]
    engines = [open_database(database_url) for _ in names]
    start, results = threading.Barrier(len(names)), dict[str, ActionResult | None]()

    def act(name: str, engine: sa.Engine) -> None:
        actions = StoreActions(engine, lambda: POLICY)
        start.wait()
        results[name] = actions.take(1, an_action(Verb.ACKNOWLEDGE, name), at(5))

    threads = [threading.Thread(target=act, args=each) for each in zip(names, engines, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()
    (winner,) = [each.actor for each in machine.reader.timeline(1) if each.kind is EntryKind.ACKNOWLEDGED]
    texts = {name: (result.why, result.text) for name, result in results.items() if result is not None}
    assert texts == {
        name: (None, f"{name} acknowledged it")
        if name == winner
        else (Why.ALREADY, f"{winner} acknowledged it just now")
        for name in names
    }


def test_a_key_gives_the_same_answer_for_a_day_and_acts_once(machine: Machine) -> None:
    key, action = RequestKey("k" * 64, "r" * 64), an_action(Verb.NOTE, text="Once.")
    first = machine.actions.take(1, action, at(5), key)
    take(machine, Verb.ACKNOWLEDGE, 6, "Ben")
    assert machine.actions.take(1, action, at(DAY), key) == first
    assert kinds(machine, "Ana") == ["noted"]
    refused = machine.actions.take(1, action, at(DAY), replace(key, request="s" * 64))
    assert refused is not None and refused.why is Why.KEY_REUSED
    later = machine.actions.take(1, action, at(DAY + 6), key)
    assert later is not None and later.why is None and kinds(machine, "Ana") == ["noted", "noted"]


def test_a_refusal_is_kept_too(machine: Machine) -> None:
    key = RequestKey("k" * 64, "r" * 64)
    take(machine, Verb.RESOLVE, 5, "Ben")
    first = machine.actions.take(1, an_action(Verb.ACKNOWLEDGE), at(6), key)
    assert first is not None and first.why is Why.OVER
    machine.accept(at(400), an_alert())
    assert machine.actions.take(1, an_action(Verb.ACKNOWLEDGE), at(401), key) == first


def test_of_many_with_one_key_at_once_one_acts_and_all_get_its_answer(machine: Machine, database_url: str) -> None:
    engines = [open_database(database_url) for _ in range(6)]
    start, results = threading.Barrier(len(engines)), list[ActionResult | None]()

    def act(engine: sa.Engine) -> None:
        actions = StoreActions(engine, lambda: POLICY)
        start.wait()
        results.append(actions.take(1, an_action(Verb.NOTE, text="Once."), at(5), RequestKey("k" * 64, "r" * 64)))

    threads = [threading.Thread(target=act, args=(each,)) for each in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()
    assert kinds(machine, "Ana") == ["noted"]
    assert len(results) == len(engines) and len(set(results)) == 1 and results[0] is not None


def test_housekeeping_forgets_keys_after_a_day(machine: Machine) -> None:
    machine.actions.take(1, an_action(Verb.NOTE, text="x"), at(0), RequestKey("k" * 64, "r" * 64))
    for second, left in ((DAY - 1, 1), (DAY + 1, 0)):
        machine.store.forget_request_keys(at(second))
        with machine.engine.connect() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(request_key)) == left
