"""The targets of a change: those of the routes, and added ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bridge.core.delivery.delivery import DesiredState
from bridge.core.delivery.desired_states import desired_states
from bridge.core.incidents.actions import resolve
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Added, Cause, Change, ChannelSpec, Incident, State
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.time_intervals import NamedIntervals, TimeInterval
from bridge.core.routing.tree import Escalation, Route
from tests.builders import a_group, an_alert, at

RULES = Rules()
CRITICAL = parse_matchers('severity="critical"')
STEP = Escalation(timedelta(minutes=10), ("slack",))
ADDED = Added("mail", Cause.FALLBACK, "pager", "pager could not be reached for 5 min", at(300))


def an_incident(state: State = State.OPEN) -> Incident:
    change = receive(None, a_group(), at(0), RULES, "uid")
    assert change is not None
    return resolve(change.incident, "ada", at(60)).incident if state is State.RESOLVED else change.incident


def planned(incident: Incident, *added: Added, tree: Route | None = None) -> dict[str, DesiredState]:
    specs = {name: ChannelSpec(name) for name in ("pager", "mail", "slack")}
    change = Change(incident, (), ())
    found = desired_states(change, tree or Route(notify=("pager",)), RULES.canonical, specs, at(0), added)
    return {state.target.channel: state for state in found}


def firing(incident: Incident, *added: Added, tree: Route | None = None) -> dict[str, bool]:
    return {name: state.firing for name, state in planned(incident, *added, tree=tree).items()}


def test_an_added_channel_is_notified_until_and_including_the_resolve() -> None:
    assert firing(an_incident(), ADDED) == {"pager": True, "mail": True}
    assert firing(an_incident(State.RESOLVED), ADDED) == {"pager": False, "mail": False}


def test_an_added_channel_that_is_no_longer_configured_is_left_out() -> None:
    assert firing(an_incident(), replace(ADDED, channel="gone")) == {"pager": True}


def test_a_fallback_shows_what_the_channel_that_it_replaces_would_show() -> None:
    pages = Route(notify=("slack",), routes=(Route(CRITICAL, ("pager",)),))
    change = receive(an_incident(), a_group(an_alert(ends=5), an_alert("Slow", "warning")), at(5), RULES, "uid")
    assert change is not None
    assert firing(change.incident, ADDED, tree=pages) == {"pager": False, "slack": True, "mail": False}


def test_an_escalation_channel_shows_the_alerts_of_its_step() -> None:
    added = replace(ADDED, cause=Cause.ESCALATION, key=STEP.key)
    pages = Route(notify=("slack",), routes=(Route(CRITICAL, ("pager",), escalate=(STEP,)),))
    change = receive(an_incident(), a_group(an_alert(ends=5), an_alert("Slow", "warning")), at(5), RULES, "uid")
    assert change is not None
    assert not firing(change.incident, added, tree=pages)["mail"]
    assert firing(change.incident, added, tree=Route(notify=("slack",)))["mail"]  # without the step: the whole incident


def test_an_added_channel_does_not_wait_for_the_end_of_a_mute_interval() -> None:
    always = NamedIntervals("always", (TimeInterval(),))
    muted = Route(notify=("pager", "mail"), mute=(always,))
    assert planned(an_incident(), tree=muted)["mail"].muted_by
    state = planned(an_incident(), ADDED, tree=muted)["mail"]
    assert (state.firing, state.muted_by, state.muted_until) == (True, None, None)
