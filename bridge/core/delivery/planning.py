"""What a change asks of an incident's deliveries: desired states and known deliveries in, deliveries out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from bridge.core.delivery.delivery import Delivery, DesiredState, skip
from bridge.core.model import Change, ChannelSpec, Target
from bridge.core.replacing import replace

NEVER = datetime(9999, 1, 1, tzinfo=UTC)  #: when a delivery is due that is muted for ever

Known = Mapping[Target, Delivery]


def plan(
    change: Change, desired: Iterable[DesiredState], known: Known, channels: Mapping[str, ChannelSpec], now: datetime
) -> tuple[Delivery, ...]:
    """The incident's deliveries as they should be now; without those that stay as they are."""
    states = {each.target: each for each in desired}
    planned = [
        _planned(known.get(target), change, state, channels[target.channel], now) for target, state in states.items()
    ]
    if change.incident.resolved or not change.incident.shown:
        left = (each for target, each in known.items() if target not in states and target.channel in channels)
        planned += _ended(change, left, now)
    return tuple(each for each in planned if each is not None and each != known.get(each.target))


def _planned(
    before: Delivery | None, change: Change, desired: DesiredState, spec: ChannelSpec, now: datetime
) -> Delivery | None:
    if before is None:
        first = desired.firing and not change.ends_only
        return _deferred(_first(change, desired, now), desired) if first else None
    if not desired.firing and before.unnotified:
        return _skipped(before, change, now) if before.firing else None
    if change.ends_only and (desired.firing or not before.firing):
        return None
    silent = not desired.firing and not spec.send_resolved
    shows_it = spec.edits or desired.loud or before.firing != desired.firing
    if silent or not shows_it:
        return replace(before, firing=desired.firing, pending=before.pending and not silent)
    return _deferred(_wanting(before, change, desired.firing, now), desired)


def _ended(change: Change, left: Iterable[Delivery], now: datetime) -> Iterator[Delivery]:
    """Targets that were notified, or may have been, and that the routes (reloaded meanwhile) name no more."""
    for before in left:
        if before.sent or before.pending or before.in_flight:
            yield _wanting(before, change, False, now)
        elif before.firing:  # a dead letter: replayed, it must not trigger what is over
            yield replace(before, firing=False)


def _first(change: Change, desired: DesiredState, now: datetime) -> Delivery:
    incident = change.incident
    return Delivery(
        incident_number=incident.number,
        target=desired.target,
        rank=incident.severity.rank,
        firing=desired.firing,
        wanted=incident.revision,
        wanted_at=now,
        changed_at=now,
        due_at=now,
    )


def _wanting(before: Delivery, change: Change, firing: bool, now: datetime) -> Delivery:
    """A new revision is wanted, which is a reason to try a dead letter's target again."""
    waited = before.pending
    return replace(
        before,
        rank=change.incident.severity.rank,
        firing=firing,
        wanted=change.incident.revision,
        pending=True,
        dead=False,
        dead_reason=None,
        dead_at=None,
        wanted_at=before.wanted_at if waited else now,
        changed_at=now,
        due_at=before.due_at if waited and not before.muted_by else now,
    )


def _deferred(delivery: Delivery, desired: DesiredState) -> Delivery:
    """Until the mute interval has passed."""
    if not desired.muted_by:
        return replace(delivery, muted_by="") if delivery.muted_by else delivery
    return replace(delivery, muted_by=desired.muted_by, due_at=desired.muted_until or NEVER)


def _skipped(before: Delivery, change: Change, now: datetime) -> Delivery:
    return replace(skip(before), wanted=change.incident.revision, changed_at=now)
