"""Any sequence of alerts: what flapping may and may not change in what channels show."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.incidents.state_changes import next_check_at
from bridge.core.incidents.transitions import Rules
from bridge.core.model import Alert
from tests.builders import an_alert, at
from tests.core.incidents.flapping_simulation import OFF, RULES, Simulation

Step = tuple[float, frozenset[str]]
NAMES = {"A": "critical", "B": "warning", "C": "critical"}
step_lists = st.lists(
    st.tuples(st.sampled_from([20.0, 90.0, 240.0, 700.0, 2000.0]), st.frozensets(st.sampled_from(sorted(NAMES)))),
    min_size=1,
    max_size=40,
)


def simulate(rules: Rules, steps: Iterable[Step]) -> Simulation:
    """These alerts fire and resolve under these rules; then the quiet period passes."""
    simulation, now, since, ended = Simulation(rules), 0.0, dict[str, float](), dict[str, Alert]()
    for wait, firing in steps:
        now += wait
        if (
            simulation.known is not None
            and (due := next_check_at(simulation.known, rules.flapping)) is not None
            and due <= at(now)
        ):
            simulation.run_timer(now)
        ended |= {
            name: an_alert(name, NAMES[name], starts=since.pop(name), ends=now) for name in set(since) - set(firing)
        }
        since |= dict.fromkeys(firing - since.keys(), now)
        alerts = [an_alert(name, NAMES[name], starts=start) for name, start in since.items()]
        rest = [alert for alert in ended.values() if alert.name not in since]
        if alerts or rest:
            simulation.receive_webhook(now, *alerts, *rest)
    if simulation.known is not None:
        simulation.run_timer(now + 601)
    return simulation


@given(step_lists)
def test_after_the_quiet_period_every_target_shows_what_it_would_without_flapping(steps: list[Step]) -> None:
    damped, plain = simulate(RULES, steps), simulate(OFF, steps)
    assert {n for n, firing in plain.shown.items() if firing} == {n for n, firing in damped.shown.items() if firing}
    assert (plain.known is None) == (damped.known is None)
    if plain.known is not None:
        assert plain.incident.resolved == damped.incident.resolved
        assert {alert.name for alert in plain.incident.firing} == {alert.name for alert in damped.incident.firing}
        assert not any(alert.deferred for alert in damped.incident.alerts.values())


@given(step_lists)
def test_damping_never_adds_state_changes_nor_hides_a_firing_alert(steps: list[Step]) -> None:
    for length in range(1, len(steps) + 1, 7):
        damped, plain = simulate(RULES, steps[:length]), simulate(OFF, steps[:length])
        assert len(damped.state_changes) <= len(plain.state_changes)
    simulation, now, since = Simulation(), 0.0, dict[str, float]()
    for wait, firing in steps:
        now += wait
        since = {name: since.get(name, now) for name in firing}
        alerts = [an_alert(name, NAMES[name], starts=start) for name, start in since.items()]
        gone = [
            alert.name for alert in (simulation.known.firing if simulation.known else ()) if alert.name not in since
        ]
        alerts += [an_alert(name, NAMES[name], starts=0, ends=now) for name in gone]
        if alerts:
            simulation.receive_webhook(now, *alerts)
        if any(NAMES[name] == "critical" for name in firing):
            assert simulation.shown["pager"]


@given(st.integers(4, 60), st.sampled_from([20.0, 60.0, 240.0, 590.0]))
def test_flapping_is_notified_once_besides_its_first_state_changes_and_its_end(times: int, every: float) -> None:
    simulation = Simulation()
    after = simulation.flap(times, every=every)
    simulation.run_timer(after + 700)
    kinds = [kind for kind in simulation.kinds if kind in ("opened", "reopened", "resolved", "flapping")]
    assert kinds == ["opened", "resolved", *["reopened", "resolved"] * 2, "reopened", "flapping", "resolved"]
    assert len(simulation.loud) == 9
