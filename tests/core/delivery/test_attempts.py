"""A delivery after an attempt: leased, sent, retried, given up; and the replay of a dead letter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.delivery.attempts import MAX_REFUSED, Candidate, claim_of, lease, pauses_channel, settle
from bridge.core.delivery.dead_letters import replay
from bridge.core.errors import Reason
from bridge.core.ports import Begun, GiveUp, Outcome, RetryAt, Sent
from tests.builders import at
from tests.core.delivery.delivery_builders import a_claim, a_delivery, an_incident

LEASED = a_delivery(lease="w.1", lease_until=at(60), in_flight=True, attempted_at=at(0))
LATER = RetryAt(at(30), Reason.SERVER, "HTTP 503")
GONE = GiveUp(Reason.DESTINATION, "HTTP 404", refused="{}")


def test_a_lease_is_taken_before_the_attempt_and_expires() -> None:
    assert lease(a_delivery(), "w.1", at(0), 60.0) == LEASED


def test_an_unknown_attempt_keeps_its_time_through_the_next_lease() -> None:
    again = lease(LEASED, "w.2", at(70), 60.0)
    assert (again.lease, again.lease_until, again.attempted_at) == ("w.2", at(130), at(0))


def test_a_claim_sends_the_newest_revision() -> None:
    claim = claim_of(Candidate(a_delivery(), b"bytes"), "w.1", an_incident(4), (), {"other": 1}, at(9))
    assert (
        claim.revision, claim.unknown, claim.frozen, claim.tried, claim.other_handle, claim.claimed_at,
    ) == (4, False, None, None, {}, at(9))  # fmt: skip


@pytest.mark.parametrize(("wanted", "revision", "frozen"), [(3, 3, b"bytes"), (4, 4, None)])
def test_the_bytes_of_an_unknown_attempt_are_sent_again_unless_a_newer_revision_is_wanted(
    wanted: int, revision: int, frozen: bytes | None
) -> None:
    lost = replace(LEASED, wanted=wanted, frozen_revision=3)
    claim = claim_of(Candidate(lost, b"bytes"), "w.2", an_incident(4), (), {"other": 1}, at(70))
    assert (
        claim.revision, claim.frozen, claim.tried, claim.unknown, claim.attempted_at,
    ) == (revision, frozen, b"bytes", True, at(0))  # fmt: skip
    assert claim.other_handle == {"other": 1}


def test_a_sent_delivery_shows_its_revision_and_clears_earlier_failures() -> None:
    failed = replace(LEASED, attempts=3, alone=2, failed_at=at(-9), last_error="server: HTTP 503", muted_by="nights")
    found = settle(failed, a_claim(failed), Sent({"key": "k"}), at(5))
    assert found == a_delivery(pending=False, sent=1, sent_at=at(5), handle={"key": "k"})


def test_a_revision_wanted_after_the_lease_stays_pending_and_due() -> None:
    newer = replace(LEASED, wanted=2, changed_at=at(3))
    found = settle(newer, a_claim(newer), Sent({}), at(5))
    assert (found.pending, found.sent, found.wanted, found.wanted_at, found.due_at) == (True, 1, 2, at(3), at(3))


def test_a_message_shows_the_newest_revision_though_it_was_not_wanted() -> None:
    found = settle(LEASED, a_claim(LEASED, revision=3), Sent({}), at(5))
    assert (found.pending, found.sent, found.wanted) == (False, 3, 3)


def test_a_refused_attempt_is_retried_and_not_in_flight() -> None:
    found = settle(LEASED, a_claim(LEASED, began=1), LATER, at(5))
    assert (found.due_at, found.attempts, found.last_error, found.failed_at) == (at(30), 1, "server: HTTP 503", at(1))
    assert (found.lease, found.in_flight, found.unnotified) == (None, False, True)


@pytest.mark.parametrize(("ambiguous", "unknown"), [(True, False), (False, True)])
def test_a_message_that_may_have_arrived_stays_unknown_until_an_attempt_succeeds(
    ambiguous: bool, unknown: bool
) -> None:
    claim = a_claim(LEASED, unknown=unknown)
    assert settle(LEASED, claim, replace(LATER, ambiguous=ambiguous), at(5)).in_flight
    assert settle(LEASED, claim, GONE, at(5)).in_flight == unknown
    assert not settle(LEASED, claim, Sent({}), at(5)).in_flight


@pytest.mark.parametrize(
    ("reason", "succeeded", "alone"),
    [
        (Reason.SERVER, 3, 1),
        (Reason.SERVER, -3, 0),
        (Reason.SERVER, None, 0),
        (Reason.RATE_LIMITED, 3, 1),
        (Reason.PAYLOAD, 3, 0),
    ],
)
def test_a_delivery_fails_alone_while_others_of_its_channel_succeed(
    reason: Reason, succeeded: float | None, alone: int
) -> None:
    got_through = None if succeeded is None else at(succeeded)
    found = settle(LEASED, a_claim(LEASED), replace(LATER, reason=reason), at(5), got_through)
    assert found.alone == alone


@pytest.mark.parametrize(
    ("pause", "alone", "succeeded", "pauses"),
    [(60, 0, None, True), (60, 0, 3, False), (60, 1, None, False), (None, 0, None, False)],
)
def test_a_delivery_that_fails_alone_pauses_no_channel(
    pause: float | None, alone: int, succeeded: float | None, pauses: bool
) -> None:
    outcome = replace(LATER, reason=Reason.RATE_LIMITED, pause_until=None if pause is None else at(pause))
    claim = replace(a_claim(LEASED), alone=alone)
    assert pauses_channel(claim, outcome, at(5), None if succeeded is None else at(succeeded)) == pauses


def test_progress_of_a_failed_attempt_is_kept() -> None:
    begun = replace(LEASED, handle={"ts": "1"})
    assert settle(begun, a_claim(begun), replace(LATER, progress={"files": 2}), at(5)).handle == {"ts": "1", "files": 2}
    found = settle(LEASED, a_claim(LEASED), Begun({"ts": "1"}), at(5))
    assert (found.handle, found.pending, found.due_at, found.in_flight) == ({"ts": "1"}, True, at(5), False)


def test_a_dead_letter_has_a_reason_and_a_time() -> None:
    found = settle(LEASED, a_claim(LEASED), replace(GONE, refused="x" * 200_000), at(5))
    assert (found.dead, found.pending, found.dead_reason, found.dead_at) == (True, False, Reason.DESTINATION, at(5))
    assert (found.last_error, len(found.refused), found.is_stuck) == ("destination: HTTP 404", MAX_REFUSED, True)


def test_a_refused_delivery_is_no_dead_letter_while_a_newer_revision_is_wanted() -> None:
    newer = replace(LEASED, wanted=2)
    found = settle(newer, a_claim(newer), GONE, at(5))
    assert (found.dead, found.pending, found.dead_reason, found.dead_at) == (False, True, None, None)


@pytest.mark.parametrize("resolved", [False, True])
def test_a_replay_is_due_at_once_with_the_current_state(resolved: bool) -> None:
    dead = settle(replace(LEASED, alone=3, failed_at=at(1)), a_claim(LEASED), GONE, at(5))
    found = replay(dead, resolved=resolved, now=at(9))
    assert (found.pending, found.due_at, found.firing, found.attempts, found.alone) == (True, at(9), not resolved, 0, 0)
    assert (found.dead, found.dead_reason, found.dead_at, found.failed_at) == (False, None, None, None)


@pytest.mark.parametrize("outcome", [Sent({"key": "k"}), LATER, GONE, Begun({})])
def test_a_worker_whose_lease_was_lost_changes_nothing(outcome: Outcome) -> None:
    taken = replace(LEASED, lease="w.2")
    assert settle(taken, a_claim(LEASED), outcome, at(70)) is taken
