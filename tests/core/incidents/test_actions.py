"""What users do to an incident: once, attributed, in any order; and who was first."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.escalation import EscalationDecision, EscalationInput, Kind, Timer
from bridge.core.incidents.actions import LONGEST_NOTE, Action, Refusal, Verb, Why, act, note_of
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.manual_escalation import escalate_now
from bridge.core.model import Added, Cause, Change, Incident, State
from bridge.core.routing.tree import Escalation, Match
from bridge.core.timeline import Entry, EntryKind, Place
from tests.builders import a_group, an_alert, at

SIMPLE = [verb for verb in Verb if verb is not Verb.ESCALATE]
SOON = Escalation(timedelta(minutes=5), ("lead",))
LATER = Escalation(timedelta(minutes=15), ("boss", "mail"))
CHANNELS = ("pager", "lead", "boss", "mail")


def an_incident(state: State = State.OPEN) -> Incident:
    change = receive(None, a_group(an_alert()), at(0), Rules(), "uid", unnotified_end=False)
    assert change is not None
    found = replace(change.incident, number=1)
    if state is not State.OPEN:
        verb = Verb.ACKNOWLEDGE if state is State.ACKNOWLEDGED else Verb.RESOLVE
        found = changed(found, an_action(verb, "Ana"), 10).incident
    return found


def an_action(verb: Verb, actor: str = "Ben", *, place: Place = Place.API, revision: int | None = None) -> Action:
    return Action(verb, actor, place, text="Looking." if verb is Verb.NOTE else "", revision=revision)


def changed(incident: Incident, action: Action, now: float) -> Change:
    found = act(incident, action, at(now))
    assert isinstance(found, Change)
    return found


def refused(
    incident: Incident, action: Action, now: float = 30, newer: tuple[Entry, ...] = ()
) -> tuple[Why, str] | None:
    found = act(incident, action, at(now), newer)
    return (found.why, found.text) if isinstance(found, Refusal) else None


@pytest.mark.parametrize(
    ("verb", "state", "outcome"),
    [
        (Verb.ACKNOWLEDGE, State.OPEN, None),
        (Verb.ACKNOWLEDGE, State.ACKNOWLEDGED, (Why.ALREADY, "Ana acknowledged it 20 s ago")),
        (Verb.ACKNOWLEDGE, State.RESOLVED, (Why.OVER, "it is over: Ana resolved it 20 s ago")),
        (Verb.UNACKNOWLEDGE, State.OPEN, (Why.ALREADY, "no one has acknowledged it")),
        (Verb.UNACKNOWLEDGE, State.ACKNOWLEDGED, None),
        (Verb.UNACKNOWLEDGE, State.RESOLVED, (Why.OVER, "it is over: Ana resolved it 20 s ago")),
        (Verb.RESOLVE, State.OPEN, None),
        (Verb.RESOLVE, State.ACKNOWLEDGED, None),
        (Verb.RESOLVE, State.RESOLVED, (Why.ALREADY, "Ana resolved it 20 s ago")),
        *((Verb.NOTE, state, None) for state in State),
    ],
)
def test_each_action_in_each_state(verb: Verb, state: State, outcome: tuple[Why, str] | None) -> None:
    assert refused(an_incident(state), an_action(verb)) == outcome


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("verb", SIMPLE)
def test_the_place_changes_nothing_but_itself(verb: Verb, place: Place) -> None:
    incident = an_incident(State.ACKNOWLEDGED if verb is Verb.UNACKNOWLEDGE else State.OPEN)
    here, there = (changed(incident, an_action(verb, place=each), 30) for each in (place, Place.CLI))
    assert here.incident == there.incident
    assert [replace(entry, place=None) for entry in here.entries] == [
        replace(entry, place=None) for entry in there.entries
    ]
    assert {entry.place for entry in here.entries} == {place}
    assert {entry.actor for entry in here.entries} == {"Ben"}


def test_who_saw_an_older_revision_learns_what_happened_since() -> None:
    incident = an_incident()
    seen = incident.revision
    first = changed(incident, an_action(Verb.ACKNOWLEDGE, "Ana", revision=seen), 10)
    late = refused(first.incident, an_action(Verb.ACKNOWLEDGE, revision=seen), 30, first.entries)
    text = f"Ana acknowledged it 20 s ago: the incident is at revision {seen + 1}, and you saw revision {seen}"
    assert late == (Why.CHANGED, text)
    noted = changed(first.incident, an_action(Verb.NOTE, "Ana"), 20)
    why = refused(noted.incident, an_action(Verb.RESOLVE, revision=seen + 1), 30, noted.entries)
    assert why is not None and why[0] is Why.CHANGED and why[1].startswith("Ana wrote a note 10 s ago: ")


@pytest.mark.parametrize("verb", SIMPLE)
def test_a_users_own_retry_with_the_revision_that_they_saw_is_no_conflict(verb: Verb) -> None:
    incident = an_incident(State.ACKNOWLEDGED if verb is Verb.UNACKNOWLEDGE else State.OPEN)
    action = an_action(verb, revision=incident.revision)
    done = changed(incident, action, 30)
    again = refused(done.incident, action, 31, done.entries)
    assert again is not None and again[0] is Why.ALREADY


@pytest.mark.parametrize(
    ("verb", "undone"),
    [
        (Verb.ACKNOWLEDGE, Verb.UNACKNOWLEDGE),
        (Verb.UNACKNOWLEDGE, Verb.ACKNOWLEDGE),
    ],
)
def test_what_was_undone_since_is_not_said_to_be_so(verb: Verb, undone: Verb) -> None:
    incident = an_incident(State.ACKNOWLEDGED if verb is Verb.UNACKNOWLEDGE else State.OPEN)
    action = an_action(verb, revision=incident.revision)
    first = changed(incident, action, 20)
    second = changed(first.incident, an_action(undone, "Cyd"), 25)
    why = refused(second.incident, action, 30, (*first.entries, *second.entries))
    assert why is not None and why[0] is Why.CHANGED and "Cyd" in why[1]


def test_a_delivery_is_not_what_changed_an_incident() -> None:
    incident = an_incident()
    noted = changed(incident, an_action(Verb.NOTE, "Ana"), 10)
    delivered = Entry(at(11), EntryKind.DELIVERED, "bridge", "delivered", noted.incident.revision)
    action = an_action(Verb.RESOLVE, revision=incident.revision)
    why = refused(noted.incident, action, 30, (*noted.entries, delivered))
    assert why is not None and why[1].startswith("Ana wrote a note 20 s ago: ")


ACTIONS = st.builds(an_action, st.sampled_from(SIMPLE), st.sampled_from(["Ana", "Ben", "Cyd"]))


@given(st.lists(ACTIONS, max_size=12))
def test_in_any_order_an_action_changes_an_incident_once_and_the_entries_are_its_history(acts: list[Action]) -> None:
    incident, entries = an_incident(), list[Entry]()
    for second, action in enumerate(acts):
        found = act(incident, action, at(second + 1))
        if isinstance(found, Refusal):
            assert found.text
            continue
        assert found.incident.revision == incident.revision + 1
        assert [(each.actor, each.revision) for each in found.entries] == [(action.actor, found.incident.revision)]
        incident, entries = found.incident, [*entries, *found.entries]
        if action.verb is not Verb.NOTE:
            assert isinstance(act(incident, action, at(second + 1)), Refusal)  # the same click again
    states = [each for each in entries if each.kind is not EntryKind.NOTED]
    expected = {EntryKind.ACKNOWLEDGED: State.ACKNOWLEDGED, EntryKind.RESOLVED: State.RESOLVED}
    assert incident.state == (expected.get(states[-1].kind, State.OPEN) if states else State.OPEN)
    assert all(one.kind is not other.kind for one, other in itertools.pairwise(states))


@given(st.permutations(["Ana", "Ben", "Cyd"]))
def test_of_all_who_acknowledge_the_first_has_it_and_the_others_learn_who(actors: list[str]) -> None:
    incident = changed(an_incident(), an_action(Verb.ACKNOWLEDGE, actors[0]), 1).incident
    for each in actors[1:]:
        why = refused(incident, an_action(Verb.ACKNOWLEDGE, each), 2)
        assert why == (Why.ALREADY, f"{actors[0]} acknowledged it just now")


def test_a_note_is_kept_as_written_without_what_controls_a_terminal() -> None:
    assert note_of("  *bold* <b>\r\n\tnext\x1b[31m\u202e\x00 line\r ") == "*bold* <b>\n\tnext[31m line"
    assert len(note_of("é" * LONGEST_NOTE)) == LONGEST_NOTE
    for text, why in ((" \x00\n", "empty"), ("x" * (LONGEST_NOTE + 1), "2,001 characters")):
        with pytest.raises(ValueError, match=why):
            note_of(text)


def known(incident: Incident, *, taken: str = "", added: tuple[Added, ...] = ()) -> EscalationInput:
    timers = tuple(Timer(Kind.ESCALATION, step.key, None if step.key == taken else at(300)) for step in (SOON, LATER))
    return EscalationInput(incident, (Match("route", ("pager",), "", escalate=(LATER, SOON)),), (), timers, added)


def escalated(given: EscalationInput, channel: str = "") -> EscalationDecision | Refusal:
    action = Action(Verb.ESCALATE, "Ben", Place.CLI, channel=channel)
    return escalate_now(given, action, CHANNELS, at(30))


def test_escalating_takes_the_soonest_step_that_was_not_taken() -> None:
    first = escalated(known(an_incident()))
    assert isinstance(first, EscalationDecision)
    assert [each.channel for each in first.added] == ["lead"] and first.acted == {SOON.key}
    assert [each.text for each in first.change.entries] == ["Ben escalated it: notified lead too"]
    second = escalated(known(an_incident(), taken=SOON.key))
    assert isinstance(second, EscalationDecision) and [each.channel for each in second.added] == ["boss", "mail"]
    last = escalated(known(an_incident(), taken=SOON.key, added=second.added))
    assert last == Refusal(Why.NO_CHANNEL, "every step of its routes is taken: name a channel")


def test_escalating_takes_an_acknowledgement_back_in_the_same_revision() -> None:
    incident = an_incident(State.ACKNOWLEDGED)
    found = escalated(known(incident), "boss")
    assert isinstance(found, EscalationDecision)
    assert found.change.incident.state is State.OPEN
    assert [(each.kind, each.revision) for each in found.change.entries] == [
        (EntryKind.UNACKNOWLEDGED, incident.revision + 1),
        (EntryKind.ESCALATED, incident.revision + 1),
    ]


def test_what_cannot_be_escalated_says_why() -> None:
    assert escalated(EscalationInput(an_incident())) == Refusal(
        Why.NO_CHANNEL, "its routes have no escalation steps: name a channel"
    )
    assert escalated(known(an_incident()), "bos") == Refusal(
        Why.NO_CHANNEL, "there is no channel 'bos'; there are: boss, lead, mail, pager"
    )
    before = Added("boss", Cause.ESCALATION, "", "Ana escalated it", at(10))
    again = escalated(known(an_incident(), added=(before,)), "boss")
    assert again == Refusal(Why.ALREADY, "Ana escalated it to boss 20 s ago")
    over = escalated(known(an_incident(State.RESOLVED)))
    assert isinstance(over, Refusal) and over.why is Why.OVER


def test_a_named_channel_rings_anew_when_it_was_acknowledged_since() -> None:
    before = Added("boss", Cause.ESCALATION, "", "Ana escalated it", at(5))
    again = escalated(known(an_incident(State.ACKNOWLEDGED), added=(before,)), "boss")
    assert isinstance(again, EscalationDecision) and again.change.incident.state is State.OPEN
    assert [each.channel for each in again.added] == ["boss"]


@pytest.mark.parametrize("first", ["", "boss"])
@pytest.mark.parametrize("second", ["", "boss", "lead"])
def test_only_the_same_escalation_is_a_retry(first: str, second: str) -> None:
    incident = an_incident()
    done = escalated(known(incident), first)
    assert isinstance(done, EscalationDecision)
    after = known(done.change.incident, taken=SOON.key if not first else "", added=done.added)
    action = Action(Verb.ESCALATE, "Ben", Place.CLI, channel=second, revision=incident.revision)
    again = escalate_now(after, action, CHANNELS, at(31), done.change.entries)
    assert isinstance(again, Refusal)
    notified = first == second or (first, second) == ("", "lead")  # the step's channel is so
    assert again.why is (Why.ALREADY if notified else Why.CHANGED)
