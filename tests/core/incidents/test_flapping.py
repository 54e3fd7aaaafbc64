"""What begins and ends again and again: told once, shown as firing all along, and over when it is calm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bridge.core.incidents.actions import resolve
from bridge.core.incidents.state_changes import next_check_at
from bridge.core.model import Severity, State
from tests.builders import an_alert, at
from tests.core.incidents.flapping_people import MINUTE, OFF, RULES, People


def test_the_fourth_end_within_the_hour_is_held_and_said_once() -> None:
    people = People()
    people.flap(3)
    assert (people.incident.state, people.shown["pager"]) == (State.RESOLVED, False)
    people.flap(1, start=12 * MINUTE)
    assert (people.incident.state, people.incident.flapping, people.shown["pager"]) == (State.OPEN, True, True)
    told = "flapping: it began and ended 4 times in 14 min; its end is deferred until it has been quiet for 10 min"
    assert people.loud[-1] == told


def test_while_it_flaps_the_pager_shows_one_thing_and_nothing_more_is_loud() -> None:
    people = People()
    after = people.flap(4)
    turned, loud, revision = list(people.turned), list(people.loud), people.incident.revision
    people.flap(30, start=after)
    assert (people.turned, people.loud, people.incident.revision) == (turned, loud, revision)
    assert (people.incident.flap.turns, people.opened) == (34, 1)


def test_the_held_end_is_told_when_it_has_been_quiet_and_says_what_it_did() -> None:
    people = People()
    people.flap(6)
    ended = 22 * MINUTE
    assert next_check_at(people.incident, RULES.flapping) == at(ended + 10 * MINUTE)
    assert not (people.look(ended + 10 * MINUTE - 1) or people.incident).changed  # type: ignore[union-attr]
    people.look(ended + 10 * MINUTE)
    assert (people.incident.state, people.shown["pager"]) == (State.RESOLVED, False)
    told = "every alert has ended: it flapped (it began and ended 6 times in 22 min) and has been quiet for 10 min"
    assert people.loud[-1] == told
    assert not people.incident.flapping and not people.incident.shown


def test_what_fires_on_is_shown_all_along_and_its_end_is_told_at_once_again() -> None:
    people = People()
    begin = people.flap(5)
    people.hear(begin, an_alert(starts=begin))
    turned = list(people.turned)
    people.look(begin + 10 * MINUTE)
    assert (people.kinds[-1], people.incident.flapping) == ("steadied", False)
    assert people.turned == turned and people.shown["pager"]
    people.hear(begin + 12 * MINUTE, an_alert(starts=begin, ends=begin + 12 * MINUTE))
    assert (people.incident.state, people.shown["pager"]) == (State.RESOLVED, False)


def test_a_new_alert_and_a_rise_of_severity_are_loud_while_it_flaps() -> None:
    people = People()
    for turn in range(4):
        begin = turn * 4 * MINUTE
        people.hear(begin, an_alert(severity="warning", starts=begin))
        people.hear(begin + MINUTE, an_alert(severity="warning", starts=begin, ends=begin + MINUTE))
    assert people.incident.flapping and not people.shown.get("pager", False)
    people.hear(14 * MINUTE, an_alert("Down", starts=14 * MINUTE))
    assert people.loud[-2:] == ["Down joined", "severity raised from warning to critical"]
    assert people.shown["pager"]


def test_an_acknowledgement_survives_the_turns_of_a_flap_but_not_a_new_critical_alert() -> None:
    people = People()
    after = people.flap(4)
    people.acknowledge(after - MINUTE)
    people.flap(3, start=after)
    assert (people.incident.state, people.incident.acknowledged_by) == (State.ACKNOWLEDGED, "ada")
    people.hear(after + 13 * MINUTE, an_alert("Down", starts=after))
    assert (people.incident.state, people.kinds[-1]) == (State.OPEN, "paged_again")


def test_what_an_acknowledged_incident_held_ends_too() -> None:
    people = People()
    after = people.flap(4)
    people.acknowledge(after - MINUTE)
    people.look(after + 10 * MINUTE)
    assert people.incident.state is State.RESOLVED


def test_one_alert_that_flaps_beside_one_that_fires_on_turns_no_pager() -> None:
    """The pager knows of the critical one only; its resolve would be as wrong as an incident's."""
    people = People()
    steady = an_alert("Slow", severity="warning")
    people.hear(0, steady)
    for turn in range(9):
        begin = (1 + turn * 4) * MINUTE
        people.hear(begin, steady, an_alert(starts=begin))
        people.hear(begin + MINUTE, steady, an_alert(starts=begin, ends=begin + MINUTE))
    # its first beginning is that of a new alert; four more came before the end that is held
    assert people.turned == [("slack", True), *[("pager", True), ("pager", False)] * 3, ("pager", True)]
    people.look(60 * MINUTE)
    assert people.shown == {"slack": True, "pager": False}
    assert (people.incident.state, people.incident.severity) == (State.OPEN, Severity.WARNING)


def test_an_end_is_not_held_longer_for_another_alert_that_flaps_on() -> None:
    people = People()
    people.flap(4)
    for turn in range(20):
        begin = (16 + turn) * MINUTE
        people.hear(begin, an_alert("Slow", severity="warning", starts=begin))
        people.hear(begin + 30, an_alert("Slow", severity="warning", starts=begin, ends=begin + 30))
    people.look(25 * MINUTE)  # the critical one ended at 14 min
    assert people.shown == {"slack": True, "pager": False}
    assert people.incident.flapping


def test_an_incident_that_each_time_is_a_new_one_flaps_all_the_same() -> None:
    people = People(replace(RULES, reopen_within=timedelta(0)))
    after = people.flap(4)
    assert (people.opened, people.incident.flapping) == (4, True)
    people.flap(3, start=after)
    assert people.opened == 4


def test_slow_turns_are_no_flapping() -> None:
    people = People()
    people.flap(8, every=25 * MINUTE)
    assert "flapping" not in people.kinds


def test_many_alerts_that_are_new_each_are_no_flapping() -> None:
    people = People()
    for number in range(12):
        people.hear(number * MINUTE, an_alert(f"Pod{number}"))
        people.hear(number * MINUTE + 30, an_alert(f"Pod{number}", ends=number * MINUTE + 30), an_alert("Steady"))
    assert "flapping" not in people.kinds


def test_a_person_who_resolves_it_ends_the_hold_and_the_count() -> None:
    people = People()
    after = people.flap(4)
    people.take(resolve(people.incident, "ada", at(after)), after)
    assert ([alert for alert in people.incident.alerts.values() if alert.deferred], people.shown["pager"]) == (
        [],
        False,
    )
    people.flap(3, start=after + MINUTE)
    assert people.incident.state is State.RESOLVED


def test_switched_off_nothing_is_held_and_what_was_held_is_told_at_the_next_look() -> None:
    people = People(OFF)
    people.flap(9)
    assert (len(people.turned), people.incident.state) == (18, State.RESOLVED)
    people = People()
    after = people.flap(5)
    people.rules = OFF
    assert (next_check_at(people.incident, None) or at(after)) <= at(after)
    people.look(after)
    assert (people.incident.state, people.shown["pager"]) == (State.RESOLVED, False)


def test_the_same_webhook_twice_is_one_turn() -> None:
    people = People()
    for turn in range(3):
        for _ in range(2):
            people.hear(turn * 60, an_alert(starts=turn * 60))
        for _ in range(2):
            people.hear(turn * 60 + 30, an_alert(starts=turn * 60, ends=turn * 60 + 30))
    assert "flapping" not in people.kinds
    people.flap(2, start=180, every=60)
    after = people.incident
    people.hear(290, an_alert(starts=240, ends=270))
    assert (people.incident.flap, people.incident.alerts) == (after.flap, after.alerts)
