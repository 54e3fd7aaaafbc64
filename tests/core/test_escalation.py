"""When another channel must be notified, and when an acknowledgement expires."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.core.delivery.delivery import Delivery
from bridge.core.escalation import RECHECK, EscalationInput, Kind, Timer, evaluate, timers_of
from bridge.core.incidents.actions import acknowledge, resolve
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Added, Cause, Change, Incident, State, Target
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.tree import Escalation, Match
from tests.builders import a_group, an_alert, at

STEP = Escalation(timedelta(minutes=10), ("slack",))
MATCH = Match("route", ("pager",), "", ("mail",), (STEP,))
RULES = Rules()
CRITICAL = parse_matchers('severity="critical"')
ADDED = Added("mail", Cause.FALLBACK, "pager", "pager could not be reached for 5 min", at(300))


def an_incident(state: State = State.OPEN) -> Incident:
    change = receive(None, a_group(), at(0), RULES, "uid")
    assert change is not None
    opened = replace(change.incident, number=1)
    if state is State.ACKNOWLEDGED:
        return acknowledge(opened, "ada", at(60)).incident
    return resolve(opened, "ada", at(60)).incident if state is State.RESOLVED else opened


def a_delivery(channel: str = "pager", **changes: object) -> Delivery:
    waiting = Delivery(1, Target(channel), 0, True, 1, at(0), at(0), at(0), attempts=1, last_error="server: HTTP 503")
    return replace(waiting, **changes)  # type: ignore[arg-type]


def known(state: State = State.OPEN, match: Match = MATCH, **more: object) -> EscalationInput:
    inputs = EscalationInput(an_incident(state), (match,), (a_delivery(),), acknowledge_for=timedelta(hours=12), loud=1)
    return replace(inputs, **more)  # type: ignore[arg-type]


def started(found: EscalationInput, now: float = 0) -> EscalationInput:
    return replace(found, timers=timers_of(found, at(now), anew=True))


def texts(change: Change) -> list[str]:
    return [entry.text for entry in change.entries]


# Timers


def test_an_open_incident_has_a_timer_for_each_step_and_each_undelivered_channel() -> None:
    assert started(known()).timers == (
        Timer(Kind.ESCALATION, STEP.key, at(600)),
        Timer(Kind.FALLBACK, "pager", at(300)),
    )


def test_an_acknowledged_incident_waits_only_for_the_end_of_its_acknowledgement() -> None:
    assert timers_of(known(State.ACKNOWLEDGED), at(60)) == (Timer(Kind.ACKNOWLEDGEMENT, "", at(60 + 12 * 3600)),)
    assert timers_of(known(State.ACKNOWLEDGED, acknowledge_for=None), at(60)) == ()


def test_a_resolved_incident_has_no_timers() -> None:
    assert timers_of(known(State.RESOLVED), at(60)) == ()


def test_a_later_change_neither_moves_nor_repeats_a_step() -> None:
    steps = (Timer(Kind.ESCALATION, STEP.key, at(600)), Timer(Kind.ESCALATION, STEP.key, None))
    for step in steps:
        assert timers_of(known(timers=(step,), deliveries=()), at(500)) == (step,)


def test_an_awakened_incident_starts_its_steps_again() -> None:
    acted = Timer(Kind.ESCALATION, STEP.key, None)
    (step,) = timers_of(known(timers=(acted,), deliveries=()), at(5000), anew=True)
    assert step.due_at == at(5600)


def test_a_step_that_no_route_has_any_more_is_dropped() -> None:
    gone = replace(MATCH, escalate=())
    assert timers_of(known(match=gone, deliveries=(), timers=(Timer(Kind.ESCALATION, STEP.key, at(600)),)), at(1)) == ()


def test_a_step_of_two_routes_is_due_once_at_the_earlier_time() -> None:
    muted = replace(MATCH, muted_by="nights", muted_until=at(7200))
    (step,) = timers_of(known(matches=(muted, MATCH), deliveries=()), at(0))
    assert step.due_at == at(600)


def test_the_delay_of_a_step_begins_when_its_route_is_no_longer_muted() -> None:
    muted = replace(MATCH, muted_by="nights", muted_until=at(7200))
    (step,) = timers_of(known(match=muted, deliveries=()), at(0))
    assert step.due_at == at(7800)
    assert timers_of(known(match=replace(muted, muted_until=None), deliveries=()), at(0)) == ()


@pytest.mark.parametrize(
    ("delivery", "due"),
    [
        pytest.param(a_delivery(), 300, id="pending"),
        pytest.param(a_delivery(pending=False, dead=True), 0, id="dead"),
        pytest.param(a_delivery(muted_by="nights", attempts=0, due_at=at(7200)), 7500, id="muted"),
        pytest.param(a_delivery(muted_by="nights", due_at=at(7200)), 300, id="muted once, tried since"),
        pytest.param(a_delivery(pending=False), None, id="delivered"),
        pytest.param(a_delivery(firing=False), None, id="a resolve"),
        pytest.param(a_delivery(sent=1), None, id="only a quiet change is missing"),
        pytest.param(a_delivery("slack"), None, id="another channel"),
    ],
)
def test_the_time_at_which_a_fallback_is_evaluated(delivery: Delivery, due: float | None) -> None:
    timers = timers_of(known(match=replace(MATCH, escalate=()), deliveries=(delivery,)), at(0))
    assert [timer.due_at for timer in timers] == ([] if due is None else [at(due)])


def test_an_overdue_delivery_that_needs_no_fallback_is_evaluated_again_soon() -> None:
    timers = timers_of(known(match=replace(MATCH, escalate=())), at(400), evaluated=True)
    assert [timer.due_at for timer in timers] == [at(400) + RECHECK]


# Evaluation


def test_a_channel_that_keeps_failing_hands_over_to_its_fallback_with_a_reason() -> None:
    verdict = evaluate(started(known()), {"pager"}, at(300))
    assert texts(verdict.change) == ["pager could not be reached for 5 min (server: HTTP 503): notified mail instead"]
    assert (verdict.change.loud, verdict.change.incident.revision) == (True, 2)
    assert [(each.channel, each.cause, each.key) for each in verdict.added] == [("mail", Cause.FALLBACK, "pager")]


def test_a_dead_letter_hands_over_at_once() -> None:
    dead = a_delivery(pending=False, dead=True, last_error="payload: too long")
    verdict = evaluate(started(known(deliveries=(dead,))), set(), at(1))
    assert texts(verdict.change) == ["pager could not deliver it (payload: too long): notified mail instead"]


@pytest.mark.parametrize(
    ("changes", "failing", "now"),
    [
        pytest.param({}, {"pager"}, 299, id="not overdue yet"),
        pytest.param({}, set(), 5000, id="overdue, but the channel works"),
        pytest.param({"deliveries": (a_delivery(pending=False),)}, {"pager"}, 5000, id="delivered"),
        pytest.param({"deliveries": (a_delivery(sent=1),)}, {"pager"}, 5000, id="nothing loud is missing"),
        pytest.param({"added": (ADDED,)}, {"pager"}, 5000, id="done before"),
        pytest.param({"match": replace(MATCH, fallback=())}, {"pager"}, 5000, id="no fallback"),
        pytest.param({"match": replace(MATCH, fallback=("pager",))}, {"pager"}, 5000, id="its own fallback"),
        pytest.param({"state": State.ACKNOWLEDGED}, {"pager"}, 5000, id="acknowledged"),
        pytest.param({"state": State.RESOLVED}, {"pager"}, 5000, id="resolved"),
    ],
)
def test_no_fallback_is_notified(changes: dict[str, object], failing: set[str], now: float) -> None:
    inputs = known(**changes)  # type: ignore[arg-type]
    assert texts(evaluate(inputs, failing, at(now)).change) == []


def test_a_route_sets_the_delay_of_its_fallback() -> None:
    slow = known(match=replace(MATCH, fallback_after=timedelta(hours=1)))
    assert texts(evaluate(slow, {"pager"}, at(3599)).change) == []
    assert texts(evaluate(slow, {"pager"}, at(3600)).change) == [
        "pager could not be reached for 1 h (server: HTTP 503): notified mail instead"
    ]


def test_the_shorter_fallback_delay_of_two_routes_applies() -> None:
    slow = replace(MATCH, fallback_after=timedelta(hours=1))
    for matches in ((slow, MATCH), (MATCH, slow)):
        assert len(texts(evaluate(known(matches=matches), {"pager"}, at(300)).change)) == 1


def test_a_step_notifies_its_channels_once_unless_acknowledged() -> None:
    inputs = started(known(deliveries=()))
    assert texts(evaluate(inputs, set(), at(599)).change) == []
    verdict = evaluate(inputs, set(), at(600))
    assert texts(verdict.change) == ["not acknowledged within 10 min: notified slack too"]
    assert (verdict.acted, [each.channel for each in verdict.added]) == (frozenset({STEP.key}), ["slack"])
    acted = replace(inputs, timers=(Timer(Kind.ESCALATION, STEP.key, None),), added=verdict.added)
    assert texts(evaluate(acted, set(), at(9000)).change) == []


def test_steps_due_together_are_taken_in_order_in_one_revision() -> None:
    later = Escalation(timedelta(minutes=30), ("boss", "mail"))
    inputs = started(known(match=replace(MATCH, escalate=(later, STEP)), deliveries=()))
    verdict = evaluate(inputs, set(), at(1800))
    assert texts(verdict.change) == [
        "not acknowledged within 10 min: notified slack too",
        "not acknowledged within 30 min: notified boss and mail too",
    ]
    assert {entry.revision for entry in verdict.change.entries} == {2}


def test_a_muted_route_does_not_escalate() -> None:
    inputs = known(match=replace(MATCH, muted_by="nights", muted_until=at(7200)), deliveries=())
    due = replace(inputs, timers=(Timer(Kind.ESCALATION, STEP.key, at(600)),))
    assert texts(evaluate(due, set(), at(600)).change) == []


@pytest.mark.parametrize("state", [State.ACKNOWLEDGED, State.RESOLVED])
def test_an_acknowledgement_or_a_resolve_stops_the_steps(state: State) -> None:
    inputs = known(state, timers=(Timer(Kind.ESCALATION, STEP.key, at(600)),))
    assert texts(evaluate(inputs, set(), at(900)).change) == []


def test_a_channel_added_by_an_escalation_has_a_fallback_too() -> None:
    added = Added("slack", Cause.ESCALATION, STEP.key, "", at(600))
    inputs = known(deliveries=(a_delivery("slack", wanted_at=at(600)),), added=(added,))
    assert texts(evaluate(inputs, {"slack"}, at(900)).change) == [
        "slack could not be reached for 5 min (server: HTTP 503): notified mail instead"
    ]


def test_an_expired_acknowledgement_reopens_the_incident() -> None:
    inputs = known(State.ACKNOWLEDGED)
    assert texts(evaluate(inputs, set(), at(12 * 3600)).change) == []
    change = evaluate(inputs, set(), at(12 * 3600 + 60)).change
    assert texts(change) == ["open again: ada acknowledged it 12 h ago, and it is not over"]
    assert (
        change.incident.state,
        change.incident.acknowledged_by,
        change.loud,
        change.awakened,
    ) == (State.OPEN, None, True, True)


# A critical alert that joins an acknowledged incident


def joined(*alerts: object, rules: Rules = RULES) -> Change:
    before = an_incident(State.ACKNOWLEDGED)
    change = receive(before, a_group(an_alert(), *alerts), at(120), rules, "uid")  # type: ignore[arg-type]
    assert change is not None
    return change


def test_a_new_critical_alert_reopens_an_acknowledged_incident() -> None:
    change = joined(an_alert("Down"))
    assert (change.incident.state, change.incident.acknowledged_at) == (State.OPEN, None)
    assert [entry.kind for entry in change.entries] == ["joined", "paged_again"]
    assert texts(change)[-1] == "open again: Down came after ada acknowledged it"
    assert change.awakened


@pytest.mark.parametrize(
    ("alert", "rules"),
    [
        pytest.param(an_alert("Slow", "warning"), RULES, id="a warning"),
        pytest.param(an_alert("Down"), Rules(page_again=False), id="switched off"),
        pytest.param(an_alert("Down", ends=5), RULES, id="resolved already"),
    ],
)
def test_other_alerts_leave_it_acknowledged(alert: object, rules: Rules) -> None:
    assert joined(alert, rules=rules).incident.state is State.ACKNOWLEDGED


def test_a_returning_critical_alert_leaves_it_acknowledged() -> None:
    two = receive(None, a_group(an_alert(), an_alert("Down")), at(0), RULES, "uid")
    assert two is not None
    taken = acknowledge(two.incident, "ada", at(10)).incident
    less = receive(taken, a_group(an_alert(), an_alert("Down", ends=20)), at(20), RULES, "uid")
    assert less is not None
    back = receive(less.incident, a_group(an_alert(), an_alert("Down", starts=30)), at(30), RULES, "uid")
    assert back is not None
    assert ([entry.kind for entry in back.entries], back.incident.state) == (["joined"], State.ACKNOWLEDGED)
