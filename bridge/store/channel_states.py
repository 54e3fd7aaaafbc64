"""What all workers share of a channel: pace, pauses, and whether its vendor fails.

Invariant: states are locked in the order of their channels' names, and after the deliveries that are settled with them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bridge.core.delivery.failures import SHORT_PAUSE, is_the_vendor, pace
from bridge.core.ports import ChannelCapacity
from bridge.store.prepared import Prepared, among
from bridge.store.tables import channel_state, delivery
from bridge.store.upserts import insert_into

_KEY = (delivery.c.incident_number, delivery.c.channel, delivery.c.recipient)
_LOCKED = Prepared(
    sa.select(channel_state).where(channel_state.c.channel == sa.bindparam("b_channel")).with_for_update()
)


@dataclass(frozen=True, slots=True)
class ChannelState:
    """One channel's, as a claim finds it."""

    paused_until: datetime | None = None
    failing: bool = False
    next_slot_at: datetime | None = None
    probe_at: datetime | None = None

    def paused(self, now: datetime) -> bool:
        return self.paused_until is not None and self.paused_until > now

    def room(self, capacity: ChannelCapacity, now: datetime) -> int:
        """How many sends pace, pause and concurrency leave room for now."""
        if self.paused(now) and not self.paused(now + SHORT_PAUSE):
            return 0
        per_second, burst = self._pace(capacity, now)
        if per_second is None:
            return capacity.limit
        ahead = ((self.next_slot_at or now) - now).total_seconds() * per_second
        return min(capacity.limit, math.floor(burst - max(0.0, ahead) + 1e-6))

    def after(self, capacity: ChannelCapacity, claimed: int, now: datetime) -> dict[str, Any]:
        """What its pace makes of so many claims."""
        per_second, _ = self._pace(capacity, now)
        if per_second is None:
            return {}
        return {"next_slot_at": max(now, self.next_slot_at or now) + timedelta(seconds=claimed / per_second)}

    def _pace(self, capacity: ChannelCapacity, now: datetime) -> tuple[float | None, int]:
        return pace(capacity.per_second, capacity.burst, failing=self.failing, paused=self.paused(now))


_STATE = tuple(each.name for each in fields(ChannelState))


def locked_state(connection: sa.Connection, channel: str) -> ChannelState:
    row = next(iter(_LOCKED.rows(connection, {"b_channel": channel})), None)
    return ChannelState(**{name: row[name] for name in _STATE}) if row else ChannelState()


def put_state(connection: sa.Connection, channel: str, **values: Any) -> None:
    """The columns of a channel's state, which may have none yet."""
    if not values:
        return
    _putting(frozenset(values)).run(connection, {"channel": channel, "failing": False, "pause_reason": "", **values})


@functools.cache
def _putting(names: frozenset[str]) -> Prepared:
    """Those alone are changed where there is a row."""
    columns = {"channel", "failing", "pause_reason", *names}

    def statement(dialect: str) -> sa.Executable:
        inserted = insert_into(channel_state, dialect).values({name: sa.bindparam(name) for name in sorted(columns)})
        new = {name: inserted.excluded[name] for name in sorted(names)}
        return inserted.on_conflict_do_update(index_elements=["channel"], set_=new)

    return Prepared(statement)


_SUCCESSES = Prepared(
    sa.select(channel_state.c.channel, channel_state.c.succeeded_at).where(
        among(channel_state.c.channel, "b_channels"),
        channel_state.c.succeeded_at <= sa.bindparam("b_now"),
    )
)
_WORKS = Prepared(
    sa.update(channel_state)
    .where(
        channel_state.c.channel == sa.bindparam("b_channel"),
        channel_state.c.failing,
        sa.or_(channel_state.c.paused_until.is_(None), channel_state.c.paused_until <= sa.bindparam("b_now")),
    )
    .values(failing=False, probe_at=None, pause_reason="")
)


def last_successes(connection: sa.Connection, channels: Iterable[str], now: datetime) -> dict[str, datetime]:
    """When anything got through last, of channels through which anything did; what a clock ahead of ours wrote proves
    nothing."""
    wanted = sorted(channels)
    rows = _SUCCESSES.rows(connection, {"b_channels": wanted, "b_now": now}) if wanted else ()
    return {row["channel"]: row["succeeded_at"] for row in rows}


def succeeded(connection: sa.Connection, channel: str, now: datetime) -> None:
    """Something got through: the vendor works, and what failed is due. A pause stays: this was sent before it."""
    if _WORKS.run(connection, {"b_channel": channel, "b_now": now}):
        _wake(connection, channel, now)
    put_state(connection, channel, succeeded_at=now)


def failed(connection: sa.Connection, channel: str, since: datetime | None, why: str) -> None:
    """Something failed that may be the vendor's fault; nothing got through since then, or ever.

    Whether it is the vendor's is seen from what else failed.
    """
    count = sa.func.count(delivery.c.incident_number.distinct())
    mine = (delivery.c.channel == channel, delivery.c.pending, delivery.c.failed_at.is_not(None), delivery.c.alone == 0)
    later = (delivery.c.failed_at > since,) if since is not None else ()
    if is_the_vendor(connection.scalar(sa.select(count).where(*mine, *later)) or 0):
        put_state(connection, channel, failing=True, pause_reason=why)


def pause(connection: sa.Connection, channel: str, until: datetime, why: str) -> None:
    """The vendor asked to wait, or refuses the credential: until then only new critical deliveries are tried, slowly,
    and after it probes are sent."""
    put_state(connection, channel, paused_until=until, pause_reason=why, failing=True)


def _wake(connection: sa.Connection, channel: str, now: datetime) -> None:
    """What another transaction has locked is being tried, settled or changed anyway."""
    waiting = (
        sa.select(*_KEY)
        .where(delivery.c.channel == channel, delivery.c.pending, delivery.c.failed_at.is_not(None))
        .where(delivery.c.due_at > now, delivery.c.hold_reason == "")
        .with_for_update(skip_locked=True)
    )
    connection.execute(sa.update(delivery).where(sa.tuple_(*_KEY).in_(waiting)).values(due_at=now))
