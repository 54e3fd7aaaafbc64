"""Invariants of one delivery that is planned, attempted, lost, given up and replayed in any order."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.core.delivery.attempts import Candidate, claim_of, lease, settle
from bridge.core.delivery.dead_letters import replay
from bridge.core.delivery.delivery import Delivery, skip
from bridge.core.delivery.planning import plan
from bridge.core.errors import Reason
from bridge.core.model import ChannelSpec
from bridge.core.ports import Begun, Claim, GiveUp, Outcome, RetryAt, Sent
from tests.builders import at
from tests.core.delivery.delivery_builders import PAGER, a_change, an_incident, desired

LEASE = 60.0
FAILURES = [Reason.NETWORK, Reason.SERVER, Reason.RATE_LIMITED, Reason.PAYLOAD]


@dataclass
class Vendor:
    """What arrived at the target, whether the bridge learned of it or not: (revision, firing)."""

    shown: list[tuple[int, bool]] = field(default_factory=list)


class OneDelivery(RuleBasedStateMachine):
    """A store of one row, any number of workers, and a vendor."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.revision, self.firing = 0.0, 0, False
        self.known: Delivery | None = None
        self.attempts: list[Claim] = []  # begun and without an outcome; another worker may have the lease by now
        self.vendor = Vendor()
        self.tokens = 0

    # Events

    @rule(firing=st.booleans(), loud=st.booleans(), edits=st.booleans(), ends_only=st.booleans())
    def change(self, firing: bool, loud: bool, edits: bool, ends_only: bool) -> None:
        self.revision, self.firing = self.revision + 1, firing
        known = {} if self.known is None else {PAGER: self.known}
        state = desired(firing, loud=loud or self.known is None)
        found = plan(
            a_change(self.revision, firing=firing, ends_only=ends_only), [state], known,
            {"pager": ChannelSpec("pager", edits=edits)}, at(self.now),
        )  # fmt: skip
        self.known = found[0] if found else self.known

    @rule(seconds=st.sampled_from([1.0, 30.0, LEASE + 1]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.is_claimable())
    @rule()
    def claim(self) -> None:
        assert self.known is not None
        if self.known.is_over_unnotified:
            self.known = skip(self.known)
            return
        self.tokens += 1
        token, incident = f"w.{self.tokens}", an_incident(self.revision, firing=self.firing)
        claim = claim_of(Candidate(self.known), token, incident, (), {}, at(self.now))
        self.known = lease(self.known, token, at(self.now), LEASE)
        self.attempts.append(claim)
        self.check_order(claim)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), arrived=st.booleans(), reason=st.sampled_from(FAILURES))
    def fail(self, data: st.DataObject, arrived: bool, reason: Reason) -> None:
        outcome = RetryAt(at(self.now + 1), reason, "no", ambiguous=arrived)
        self.settle(data, outcome, arrived)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        self.settle(data, Sent({"key": "k"}), True)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.settle(data, Begun({"key": "k"}), True)

    @precondition(lambda self: self.attempts)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        self.settle(data, GiveUp(Reason.DESTINATION, "gone"), False)

    @precondition(lambda self: self.attempts)
    @rule(arrived=st.booleans())
    def die(self, arrived: bool) -> None:
        """The worker ends without an outcome."""
        claim = self.attempts.pop()
        self.arrive(claim, arrived)

    @precondition(lambda self: self.known is not None and self.known.dead)
    @rule()
    def replay(self) -> None:
        assert self.known is not None
        self.known = replay(self.known, resolved=not self.firing, now=at(self.now))
        assert self.known.pending

    # How events work

    def is_claimable(self) -> bool:
        known = self.known
        if known is None or not known.pending or known.due_at > at(self.now):
            return False
        return known.lease_until is None or known.lease_until <= at(self.now)

    def settle(self, data: st.DataObject, outcome: Outcome, arrived: bool) -> None:
        claim = self.attempts.pop(data.draw(st.integers(0, len(self.attempts) - 1)))
        self.arrive(claim, arrived)
        before = self.known
        assert before is not None
        self.known = settle(before, claim, outcome, at(self.now))
        if before.lease != claim.lease:
            assert self.known is before  # another worker has it, or had it
        elif isinstance(outcome, GiveUp):
            assert self.known.dead or self.known.wanted > claim.revision

    def arrive(self, claim: Claim, arrived: bool) -> None:
        if arrived:
            self.vendor.shown.append((claim.revision, claim.firing))

    def check_order(self, claim: Claim) -> None:
        """A resolve never precedes its trigger: it is only sent to a target that has the trigger or may have it."""
        assert claim.firing or claim.sent or claim.unknown or claim.handle

    # Invariants

    @invariant()
    def shows_no_more_than_is_wanted(self) -> None:
        if self.known is not None:
            assert self.known.sent <= self.known.wanted <= self.revision

    @invariant()
    def is_visible_until_it_is_delivered(self) -> None:
        """It is pending, given up, skipped, or its target shows all that is wanted."""
        if self.known is not None and not self.known.pending and not self.known.dead:
            assert self.known.is_skipped or self.known.sent == self.known.wanted

    @invariant()
    def is_given_up_with_a_reason_and_a_time_or_not_at_all(self) -> None:
        if self.known is not None:
            given_up = (self.known.dead_reason is not None, self.known.dead_at is not None)
            assert given_up == (self.known.dead, self.known.dead)
            assert not (self.known.dead and self.known.pending)
            assert self.known.last_error or not self.known.dead

    @invariant()
    def is_leased_for_a_time(self) -> None:
        if self.known is not None:
            assert (self.known.lease is None) == (self.known.lease_until is None)
            assert self.known.lease is None or self.known.in_flight

    @invariant()
    def knows_what_may_have_arrived(self) -> None:
        if self.vendor.shown:
            assert self.known is not None and not self.known.unnotified


TestOneDelivery = OneDelivery.TestCase
