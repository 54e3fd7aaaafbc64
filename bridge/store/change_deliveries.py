"""Change events on their way to channels: a row for each event and channel, tried until it is sent or never can be.

Invariant: a claim puts the next try off by its lease, and counts; a worker that lost its claim settles nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from bridge.core.ports import ChangeClaim, GiveUp, Outcome, RetryAt, Sent
from bridge.store.database import reading, transaction
from bridge.store.rows import change_from
from bridge.store.suppression import SAME_CHANNEL, SUPPRESSED
from bridge.store.tables import change, change_delivery, delivery, storm


class StoreChangeDeliveries:
    """See bridge.worker.change_events.ChangeDeliveries."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def waiting(self, channels: Sequence[str], now: datetime) -> list[str]:
        due = sa.select(change_delivery.c.channel).where(
            change_delivery.c.channel.in_(channels), change_delivery.c.pending, change_delivery.c.due_at <= now
        )
        message_due = sa.and_(delivery.c.pending, delivery.c.due_at <= now, sa.not_(SUPPRESSED))
        busy = (
            sa.select(delivery.c.channel)
            .outerjoin(storm, SAME_CHANNEL)
            .where(delivery.c.channel.in_(channels), message_due)
        )
        with reading(self._engine) as connection:
            return sorted(set(connection.scalars(due.distinct())) - set(connection.scalars(busy.distinct())))

    def claim(self, channel: str, lease_seconds: float, now: datetime) -> ChangeClaim | None:
        # One that failed comes after those that were not tried: it may be at fault itself.
        first = (
            sa.select(change, change_delivery.c.attempts)
            .join(change_delivery, change_delivery.c.change_id == change.c.id)
            .where(change_delivery.c.channel == channel, change_delivery.c.pending, change_delivery.c.due_at <= now)
            .order_by(change_delivery.c.attempts, change.c.at, change.c.id)
            .limit(1)
            .with_for_update(of=change_delivery, skip_locked=True)
        )
        with transaction(self._engine) as connection:
            row = connection.execute(first).mappings().first()
            if row is None:
                return None
            claim = ChangeClaim(change_from(row), channel, row["attempts"])
            until = now + timedelta(seconds=lease_seconds)
            connection.execute(_this(claim, claim.attempts).values(attempts=claim.attempts + 1, due_at=until))
            return claim

    def settle(self, claim: ChangeClaim, outcome: Outcome, now: datetime) -> None:
        mine = _this(claim, claim.attempts + 1)
        with transaction(self._engine) as connection:
            match outcome:
                case Sent():
                    connection.execute(mine.values(pending=False, sent_at=now, last_error=""))
                case GiveUp():
                    connection.execute(mine.values(pending=False, last_error=outcome.detail))
                case RetryAt():
                    connection.execute(mine.values(due_at=outcome.at, last_error=outcome.detail))
                    _put_off(connection, claim.channel, outcome.pause_until)


def _this(claim: ChangeClaim, attempts: int) -> sa.Update:
    return sa.update(change_delivery).where(
        change_delivery.c.change_id == claim.change.id,
        change_delivery.c.channel == claim.channel,
        change_delivery.c.attempts == attempts,
        change_delivery.c.pending,
    )


def _put_off(connection: sa.Connection, channel: str, until: datetime | None) -> None:
    """The vendor asked to wait, or refuses the credential: both concern every change event."""
    if until is not None:
        others = sa.update(change_delivery).where(
            change_delivery.c.channel == channel, change_delivery.c.pending, change_delivery.c.due_at < until
        )
        connection.execute(others.values(due_at=until))
