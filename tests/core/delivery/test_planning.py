"""The delivery that follows from a change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.delivery.delivery import Delivery, DesiredState
from bridge.core.delivery.planning import NEVER, plan
from bridge.core.errors import Reason
from bridge.core.model import Change, ChannelSpec
from tests.builders import at
from tests.core.delivery.delivery_builders import CHANNELS, PAGER, a_change, a_delivery, desired

NOW = at(100)
SENT = a_delivery(pending=False, sent=1, handle={"key": "k"})
DEAD = a_delivery(
    pending=False, dead=True, dead_reason=Reason.DESTINATION, dead_at=at(5), last_error="destination: 404"
)


def planned(
    before: Delivery | None, change: Change, *states: DesiredState, spec: ChannelSpec = CHANNELS["pager"]
) -> Delivery | None:
    known = {} if before is None else {before.target: before}
    found = plan(change, states, known, {spec.name: spec}, NOW)
    assert len(found) <= 1
    return found[0] if found else None


def test_a_trigger_is_planned_and_due_at_once() -> None:
    assert planned(None, a_change(), desired()) == a_delivery(wanted_at=NOW, changed_at=NOW, due_at=NOW)


def test_a_new_revision_is_wanted_since_the_oldest_change_that_is_not_shown() -> None:
    changed = a_delivery(wanted=2, changed_at=NOW)
    assert planned(a_delivery(), a_change(2), desired()) == changed
    assert planned(SENT, a_change(2), desired()) == replace(
        SENT, wanted=2, pending=True, wanted_at=NOW, changed_at=NOW, due_at=NOW
    )


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(a_delivery(), id="pending"),
        pytest.param(a_delivery(attempts=3, last_error="server: HTTP 503"), id="refused so far"),
        pytest.param(a_delivery(muted_by="nights", due_at=at(9000)), id="muted"),
        pytest.param(DEAD, id="a dead letter"),
    ],
)
def test_the_resolve_is_skipped_if_the_trigger_was_never_delivered(before: Delivery) -> None:
    found = planned(before, a_change(2, firing=False), desired(firing=False))
    assert found is not None and found.is_skipped
    assert (found.wanted, found.changed_at, found.muted_by, found.dead_reason) == (2, NOW, "", None)
    assert planned(found, a_change(3, firing=False), desired(firing=False)) is None


@pytest.mark.parametrize("arrived", [{"sent": 1}, {"in_flight": True}, {"handle": {"ts": "1"}}])
def test_the_resolve_is_sent_if_the_trigger_may_have_arrived(arrived: dict[str, object]) -> None:
    found = planned(a_delivery(**arrived), a_change(2, firing=False), desired(firing=False))
    assert found is not None
    assert (found.pending, found.firing, found.wanted) == (True, False, 2)


def test_a_resolve_alone_plans_nothing() -> None:
    assert planned(None, a_change(firing=False), desired(firing=False)) is None


def test_a_dead_letter_is_tried_again_with_a_new_revision() -> None:
    found = planned(DEAD, a_change(2), desired())
    assert found is not None
    assert (found.pending, found.dead, found.dead_reason, found.dead_at) == (True, False, None, None)


def test_a_quiet_change_is_not_sent_to_a_channel_without_edits() -> None:
    mail = ChannelSpec("pager", edits=False)
    assert planned(SENT, a_change(2), desired(loud=False), spec=mail) is None
    found = planned(SENT, a_change(2, firing=False), desired(firing=False, loud=False), spec=mail)
    assert found is not None and found.pending  # the target shows a state that is no longer true


def test_without_send_resolved_the_end_cancels_a_pending_delivery() -> None:
    silent = ChannelSpec("pager", send_resolved=False)
    waiting = replace(SENT, pending=True, wanted=2)
    assert planned(waiting, a_change(3, firing=False), desired(firing=False), spec=silent) == replace(
        waiting, firing=False, pending=False
    )


def test_a_trigger_is_deferred_until_its_mute_interval_has_passed() -> None:
    found = planned(None, a_change(), replace(desired(muted_by="nights"), muted_until=at(9000)))
    assert found is not None and (found.muted_by, found.due_at) == ("nights", at(9000))
    for_ever = planned(None, a_change(), desired(muted_by="nights"))
    assert for_ever is not None and for_ever.due_at == NEVER
    ended = planned(found, a_change(2), desired())
    assert ended is not None and (ended.muted_by, ended.due_at) == ("", NOW)


def test_only_resolves_are_planned_while_the_firing_alerts_are_muted() -> None:
    assert planned(None, a_change(ends_only=True), desired()) is None
    assert planned(SENT, a_change(2, ends_only=True), desired()) is None
    found = planned(SENT, a_change(2, ends_only=True), desired(firing=False))
    assert found is not None and (found.pending, found.firing) == (True, False)


def test_a_target_without_a_route_is_only_notified_of_the_resolve() -> None:
    assert planned(SENT, a_change(2)) is None
    found = planned(SENT, a_change(2, firing=False))
    assert found is not None and (found.pending, found.firing, found.wanted) == (True, False, 2)
    assert planned(DEAD, a_change(2, firing=False)) == replace(DEAD, firing=False)
    assert plan(a_change(2, firing=False), (), {PAGER: SENT}, {}, NOW) == (), "the channel is not configured either"
