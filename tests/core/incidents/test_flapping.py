"""An alert that flaps: notified once, shown as firing meanwhile, and resolved after a quiet period."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bridge.core.incidents.actions import resolve
from bridge.core.incidents.state_changes import next_check_at
from bridge.core.model import Severity, State
from tests.builders import an_alert, at
from tests.core.incidents.flapping_simulation import MINUTE, OFF, RULES, Simulation


def test_the_fourth_end_within_the_hour_is_deferred_and_notified_once() -> None:
    simulation = Simulation()
    simulation.flap(3)
    assert (simulation.incident.state, simulation.shown["pager"]) == (State.RESOLVED, False)
    simulation.flap(1, start=12 * MINUTE)
    assert (simulation.incident.state, simulation.incident.flapping, simulation.shown["pager"]) == (
        State.OPEN,
        True,
        True,
    )
    text = "flapping: it began and ended 4 times in 14 min; its end is deferred until it has been quiet for 10 min"
    assert simulation.loud[-1] == text


def test_the_pager_state_is_constant_and_nothing_is_loud_while_it_flaps() -> None:
    simulation = Simulation()
    after = simulation.flap(4)
    state_changes, loud, revision = list(simulation.state_changes), list(simulation.loud), simulation.incident.revision
    simulation.flap(30, start=after)
    assert (simulation.state_changes, simulation.loud, simulation.incident.revision) == (state_changes, loud, revision)
    assert (simulation.incident.flap.state_changes, simulation.opened) == (34, 1)


def test_the_deferred_end_is_notified_with_a_summary_after_the_quiet_period() -> None:
    simulation = Simulation()
    simulation.flap(6)
    ended = 22 * MINUTE
    assert next_check_at(simulation.incident, RULES.flapping) == at(ended + 10 * MINUTE)
    assert not (simulation.run_timer(ended + 10 * MINUTE - 1) or simulation.incident).changed  # type: ignore[union-attr]
    simulation.run_timer(ended + 10 * MINUTE)
    assert (simulation.incident.state, simulation.shown["pager"]) == (State.RESOLVED, False)
    text = "every alert has ended: it flapped (it began and ended 6 times in 22 min) and has been quiet for 10 min"
    assert simulation.loud[-1] == text
    assert not simulation.incident.flapping and not simulation.incident.shown


def test_an_alert_that_keeps_firing_is_steadied_and_its_end_is_notified_at_once() -> None:
    simulation = Simulation()
    begin = simulation.flap(5)
    simulation.receive_webhook(begin, an_alert(starts=begin))
    state_changes = list(simulation.state_changes)
    simulation.run_timer(begin + 10 * MINUTE)
    assert (simulation.kinds[-1], simulation.incident.flapping) == ("steadied", False)
    assert simulation.state_changes == state_changes and simulation.shown["pager"]
    simulation.receive_webhook(begin + 12 * MINUTE, an_alert(starts=begin, ends=begin + 12 * MINUTE))
    assert (simulation.incident.state, simulation.shown["pager"]) == (State.RESOLVED, False)


def test_a_new_alert_and_a_rise_of_severity_are_loud_while_it_flaps() -> None:
    simulation = Simulation()
    for cycle in range(4):
        begin = cycle * 4 * MINUTE
        simulation.receive_webhook(begin, an_alert(severity="warning", starts=begin))
        simulation.receive_webhook(begin + MINUTE, an_alert(severity="warning", starts=begin, ends=begin + MINUTE))
    assert simulation.incident.flapping and not simulation.shown.get("pager", False)
    simulation.receive_webhook(14 * MINUTE, an_alert("Down", starts=14 * MINUTE))
    assert simulation.loud[-2:] == ["Down joined", "severity raised from warning to critical"]
    assert simulation.shown["pager"]


def test_an_acknowledgement_survives_flapping_but_not_a_new_critical_alert() -> None:
    simulation = Simulation()
    after = simulation.flap(4)
    simulation.acknowledge(after - MINUTE)
    simulation.flap(3, start=after)
    assert (simulation.incident.state, simulation.incident.acknowledged_by) == (State.ACKNOWLEDGED, "ada")
    simulation.receive_webhook(after + 13 * MINUTE, an_alert("Down", starts=after))
    assert (simulation.incident.state, simulation.kinds[-1]) == (State.OPEN, "paged_again")


def test_the_deferred_end_of_an_acknowledged_incident_resolves_it() -> None:
    simulation = Simulation()
    after = simulation.flap(4)
    simulation.acknowledge(after - MINUTE)
    simulation.run_timer(after + 10 * MINUTE)
    assert simulation.incident.state is State.RESOLVED


def test_an_alert_that_flaps_beside_a_steady_one_does_not_change_the_pager() -> None:
    """The pager shows the critical alert only; resolving that while it flaps would be as wrong as for an incident."""
    simulation = Simulation()
    steady = an_alert("Slow", severity="warning")
    simulation.receive_webhook(0, steady)
    for cycle in range(9):
        begin = (1 + cycle * 4) * MINUTE
        simulation.receive_webhook(begin, steady, an_alert(starts=begin))
        simulation.receive_webhook(begin + MINUTE, steady, an_alert(starts=begin, ends=begin + MINUTE))
    # the first start is that of a new alert; four more precede the deferred end
    assert simulation.state_changes == [("slack", True), *[("pager", True), ("pager", False)] * 3, ("pager", True)]
    simulation.run_timer(60 * MINUTE)
    assert simulation.shown == {"slack": True, "pager": False}
    assert (simulation.incident.state, simulation.incident.severity) == (State.OPEN, Severity.WARNING)


def test_an_end_is_not_deferred_longer_for_another_flapping_alert() -> None:
    simulation = Simulation()
    simulation.flap(4)
    for cycle in range(20):
        begin = (16 + cycle) * MINUTE
        simulation.receive_webhook(begin, an_alert("Slow", severity="warning", starts=begin))
        simulation.receive_webhook(begin + 30, an_alert("Slow", severity="warning", starts=begin, ends=begin + 30))
    simulation.run_timer(25 * MINUTE)  # the critical one ended at 14 min
    assert simulation.shown == {"slack": True, "pager": False}
    assert simulation.incident.flapping


def test_a_series_of_new_incidents_is_flapping_too() -> None:
    simulation = Simulation(replace(RULES, reopen_within=timedelta(0)))
    after = simulation.flap(4)
    assert (simulation.opened, simulation.incident.flapping) == (4, True)
    simulation.flap(3, start=after)
    assert simulation.opened == 4


def test_slow_state_changes_are_no_flapping() -> None:
    simulation = Simulation()
    simulation.flap(8, every=25 * MINUTE)
    assert "flapping" not in simulation.kinds


def test_many_different_alerts_are_no_flapping() -> None:
    simulation = Simulation()
    for number in range(12):
        simulation.receive_webhook(number * MINUTE, an_alert(f"Pod{number}"))
        simulation.receive_webhook(
            number * MINUTE + 30, an_alert(f"Pod{number}", ends=number * MINUTE + 30), an_alert("Steady")
        )
    assert "flapping" not in simulation.kinds


def test_a_resolve_by_a_user_ends_the_deferral_and_the_count() -> None:
    simulation = Simulation()
    after = simulation.flap(4)
    simulation.apply(resolve(simulation.incident, "ada", at(after)), after)
    assert ([alert for alert in simulation.incident.alerts.values() if alert.deferred], simulation.shown["pager"]) == (
        [],
        False,
    )
    simulation.flap(3, start=after + MINUTE)
    assert simulation.incident.state is State.RESOLVED


def test_with_flapping_off_nothing_is_deferred_and_a_deferred_end_is_notified() -> None:
    simulation = Simulation(OFF)
    simulation.flap(9)
    assert (len(simulation.state_changes), simulation.incident.state) == (18, State.RESOLVED)
    simulation = Simulation()
    after = simulation.flap(5)
    simulation.rules = OFF
    assert (next_check_at(simulation.incident, None) or at(after)) <= at(after)
    simulation.run_timer(after)
    assert (simulation.incident.state, simulation.shown["pager"]) == (State.RESOLVED, False)


def test_a_repeated_webhook_is_one_state_change() -> None:
    simulation = Simulation()
    for cycle in range(3):
        for _ in range(2):
            simulation.receive_webhook(cycle * 60, an_alert(starts=cycle * 60))
        for _ in range(2):
            simulation.receive_webhook(cycle * 60 + 30, an_alert(starts=cycle * 60, ends=cycle * 60 + 30))
    assert "flapping" not in simulation.kinds
    simulation.flap(2, start=180, every=60)
    after = simulation.incident
    simulation.receive_webhook(290, an_alert(starts=240, ends=270))
    assert (simulation.incident.flap, simulation.incident.alerts) == (after.flap, after.alerts)
