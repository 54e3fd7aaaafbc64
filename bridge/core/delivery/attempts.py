"""One try to deliver: leased, then settled as sent, sent in part, to be retried, or given up. Pure.

Invariant: a try whose lease was lost changes nothing; what may have arrived stays so until a try succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.delivery.delivery import Delivery
from bridge.core.delivery.failures import MAY_BE_ITS_OWN, fails_alone
from bridge.core.model import Incident
from bridge.core.ports import Begun, Claim, GiveUp, Handle, Outcome, RetryAt, Sent
from bridge.core.replacing import replace
from bridge.core.timeline import Entry

MAX_REFUSED = 100_000  #: characters that are kept of what a vendor refused


@dataclass(frozen=True, slots=True)
class Candidate:
    """A delivery that may be tried now, as it is before it is leased."""

    delivery: Delivery
    frozen: bytes | None = None  #: the bytes of its frozen revision
    doubtful: bool = False  #: it failed before, or another target of its incident did: it may hang again


def lease(delivery: Delivery, token: str, now: datetime, seconds: float) -> Delivery:
    """An earlier try that may have arrived keeps its time: that is when to look for its message."""
    began = delivery.attempted_at if delivery.in_flight else None
    until = now + timedelta(seconds=seconds)
    return replace(delivery, lease=token, lease_until=until, in_flight=True, attempted_at=began or now)


def claim_of(
    candidate: Candidate, token: str, incident: Incident, news: tuple[Entry, ...], other_handle: Handle, now: datetime
) -> Claim:
    """What the worker must know for the try. incident, news: as the transaction that leases sees them."""
    known, unknown = candidate.delivery, candidate.delivery.in_flight
    revision = known.frozen_revision
    same = unknown and candidate.frozen is not None and revision is not None and revision >= known.wanted
    return Claim(
        incident=incident,
        target=known.target,
        lease=token,
        revision=revision if same and revision is not None else incident.revision,
        sent=known.sent,
        firing=known.firing,
        attempts=known.attempts,
        unknown=unknown,
        shrink=known.shrink,
        wanted_at=known.wanted_at,
        attempted_at=known.attempted_at if unknown else None,
        handle=known.handle,
        frozen=candidate.frozen if same else None,
        tried=candidate.frozen if unknown else None,
        other_handle=other_handle if unknown and not known.handle else {},
        news=news,
        claimed_at=now,
        failed_at=known.failed_at,
        alone=known.alone,
        doubtful=candidate.doubtful,
    )


def settle(
    delivery: Delivery, claim: Claim, outcome: Outcome, now: datetime, succeeded_at: datetime | None = None
) -> Delivery:
    """The delivery after a try; unchanged when another worker has leased it since.

    succeeded_at: when anything got through its channel last.
    """
    if delivery.lease != claim.lease:
        return delivery
    match outcome:
        case Sent():
            return sent(delivery, claim, outcome, now)
        case RetryAt():
            return retry(delivery, claim, outcome, now, succeeded_at)
        case GiveUp():
            return give_up(delivery, claim, outcome, now)
        case Begun():
            return sent_in_part(delivery, outcome, now)


def sent(delivery: Delivery, claim: Claim, outcome: Sent, now: datetime) -> Delivery:
    """The target shows the claim's revision. A newer one that is wanted meanwhile is due since its change."""
    return replace(
        delivery,
        sent=claim.revision,
        wanted=max(delivery.wanted, claim.revision),
        pending=delivery.wanted > claim.revision,
        wanted_at=delivery.changed_at,
        due_at=delivery.changed_at,
        sent_at=now,
        handle=dict(outcome.handle),
        in_flight=False,
        attempted_at=None,
        frozen_revision=None,
        muted_by="",
        lease=None,
        lease_until=None,
        attempts=0,
        shrink=False,
        last_error="",
        refused="",
        failed_at=None,
        alone=0,
    )


def sent_in_part(delivery: Delivery, outcome: Begun, now: datetime) -> Delivery:
    """The rest is due at once."""
    return replace(
        delivery, due_at=now, in_flight=False, attempted_at=None, handle=dict(outcome.handle), lease=None,
        lease_until=None,
    )  # fmt: skip


def retry(delivery: Delivery, claim: Claim, outcome: RetryAt, now: datetime, succeeded_at: datetime | None) -> Delivery:
    """An answer to this try says nothing about an earlier one that may have arrived."""
    failed_at, alone = delivery.failed_at, delivery.alone
    if outcome.reason in MAY_BE_ITS_OWN:
        alone += _fails_alone(claim, now, succeeded_at)
        failed_at = claim.claimed_at or now
    return replace(
        delivery,
        due_at=outcome.at,
        in_flight=outcome.ambiguous or claim.unknown,
        attempts=delivery.attempts + 1,
        shrink=outcome.shrink or delivery.shrink,
        handle={**delivery.handle, **(outcome.progress or {})},
        last_error=outcome.error,
        failed_at=failed_at,
        alone=alone,
        lease=None,
        lease_until=None,
    )


def pauses_channel(claim: Claim, outcome: RetryAt, now: datetime, succeeded_at: datetime | None) -> bool:
    """The vendor limits or locks out everything. What fails alone pauses nothing: it may be refused for its body."""
    return outcome.pause_until is not None and not (claim.alone or _fails_alone(claim, now, succeeded_at))


def give_up(delivery: Delivery, claim: Claim, outcome: GiveUp, now: datetime) -> Delivery:
    """A dead letter, unless something newer is wanted meanwhile. That this try was refused says nothing about an
    earlier one, which a replay must look for."""
    newer = delivery.wanted > claim.revision
    return replace(
        delivery,
        pending=newer,
        dead=not newer,
        dead_reason=None if newer else outcome.reason,
        dead_at=None if newer else now,
        in_flight=claim.unknown,
        shrink=False,
        attempts=delivery.attempts + 1,
        last_error=outcome.error,
        refused=outcome.refused[:MAX_REFUSED],
        lease=None,
        lease_until=None,
    )


def _fails_alone(claim: Claim, now: datetime, succeeded_at: datetime | None) -> bool:
    return fails_alone(succeeded_at, claim.failed_at, claim.claimed_at or now)
