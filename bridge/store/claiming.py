"""One channel's turn in the transaction that claims: what may be sent now, and whether a storm begins.

Law: pace, pause, concurrency and storm are asked of the database each time, so that any number of workers keep them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bridge import logs
from bridge.core.model import Target
from bridge.core.ports import Claim, Lane
from bridge.core.storms import Storm
from bridge.store.applying import Policy
from bridge.store.collapsing import LEAST, are_waiting, collapsed_in
from bridge.store.settling import is_ended_untold, skip_ended
from bridge.store.snapshots import Snapshot, lock
from bridge.store.storms import begin, tighten
from bridge.store.tables import channel_state, delivery

log = logs.get("store")

# Statements are made once: built anew, one costs as much as writing twenty rows with it.
_STATE = sa.select(channel_state).where(channel_state.c.channel == sa.bindparam("b_channel")).with_for_update()
_CLAIMABLE = (
    sa.select(delivery)
    .where(
        delivery.c.channel == sa.bindparam("b_channel"),
        delivery.c.pending,
        delivery.c.due_at <= sa.bindparam("b_now"),
        sa.or_(delivery.c.lease_until.is_(None), delivery.c.lease_until <= sa.bindparam("b_now")),
    )
    .limit(sa.bindparam("b_limit", type_=sa.Integer))
    .with_for_update(skip_locked=True)
)
_CALM = _CLAIMABLE.order_by(delivery.c.rank, delivery.c.wanted_at)
# In a storm: of one rank the digest, then the oldest.
_RANK, _DIGEST = sa.bindparam("b_rank", type_=sa.Integer), sa.bindparam("b_digest", type_=sa.Integer)
_STORMY = _CLAIMABLE.where(sa.not_(collapsed_in(_RANK, _DIGEST))).order_by(
    delivery.c.rank, delivery.c.incident_number != _DIGEST, delivery.c.wanted_at
)
_LEASE = (
    sa.update(delivery)
    .where(
        delivery.c.incident_number == sa.bindparam("b_number"),
        delivery.c.channel == sa.bindparam("b_channel"),
        delivery.c.recipient == sa.bindparam("b_recipient"),
    )
    .values(
        lease=sa.bindparam("b_lease"),
        lease_until=sa.bindparam("b_until"),
        in_flight=True,
        attempted_at=sa.bindparam("b_attempted"),
    )
)


@dataclass(slots=True)
class Claiming:
    """One lane's turn in the transaction that claims."""

    connection: sa.Connection
    lane: Lane
    storm: Storm | None
    policy: Callable[[], Policy] | None
    now: datetime

    def leased(self, lease: str) -> list[Leased]:
        state = self._state()
        limit = _allowed(self.lane, state, self.now)
        rows = self._rows(limit)
        if len(rows) >= limit and self._gathers():
            rows = self._rows(limit)
        # What is being changed just now is claimed when it has been: soon, and as it is then.
        still = lock(self.connection, (row["incident_number"] for row in rows)) if rows else set()
        rows = [row for row in rows if row["incident_number"] in still]
        if not rows:
            return []
        _lease(self.connection, rows, lease, self.now, self.lane)
        if self.lane.per_second is not None:
            _take_slots(self.connection, self.lane, state, len(rows), self.now)
        lost = any(row["in_flight"] and not row["handle"] for row in rows)
        neighbour = _newest_handle(self.connection, self.lane.channel) if lost else {}
        return [Leased(row, lease, neighbour) for row in rows]

    def _state(self) -> sa.RowMapping | None:
        return self.connection.execute(_STATE, {"b_channel": self.lane.channel}).mappings().first()

    def _rows(self, limit: int) -> Sequence[sa.RowMapping]:
        """What may be sent; what ended before anybody heard of it is settled instead, and takes no slot."""
        if limit < 1:
            return []
        wanted = {"b_channel": self.lane.channel, "b_now": self.now, "b_limit": limit}
        query = _CALM
        if self.storm is not None:
            query, wanted = _STORMY, {**wanted, "b_rank": self.storm.rank, "b_digest": self.storm.number}
        while rows := self.connection.execute(query, wanted).mappings().all():
            ended = [row for row in rows if is_ended_untold(row)]
            if not ended:
                break
            skip_ended(self.connection, ended, self.now)
        return rows

    def _gathers(self) -> bool:
        """Whether a storm begins, or takes in what is more severe; seen here and not only when somebody looks, so that
        no burst trickles through."""
        lane, before = self.lane, self.storm
        if lane.storm_at is None or self.policy is None:
            return False
        below = before.rank if before is not None else LEAST
        if not are_waiting(self.connection, lane.channel, lane.storm_at, self.now, below):
            return False
        try:
            with self.connection.begin_nested():
                self.storm = self._gathered(self.policy())
        except Exception:  # whatever is wrong with the digest, messages go
            log.exception("storm_not_followed", channel=lane.channel)
        return self.storm != before

    def _gathered(self, policy: Policy) -> Storm | None:
        if self.storm is None:
            return begin(self.connection, policy, self.lane.channel, self.now)
        return tighten(self.connection, policy, self.storm, self.now)


def _newest_handle(connection: sa.Connection, channel: str) -> Mapping[str, Any]:
    """What the channel said of the incident that it was told of last; empty when it was told of none."""
    told = sa.select(delivery.c.handle).where(delivery.c.channel == channel, delivery.c.sent_at.is_not(None))
    return connection.scalar(told.order_by(delivery.c.sent_at.desc()).limit(1)) or {}


def _allowed(lane: Lane, state: sa.RowMapping | None, now: datetime) -> int:
    """How many sends pace, pause and concurrency leave room for now."""
    if state is None:
        return min(lane.limit, lane.burst) if lane.per_second is not None else lane.limit
    if state["paused_until"] is not None and state["paused_until"] > now:
        return 0
    limit = min(lane.limit, 1) if state["failing"] else lane.limit
    if lane.per_second is None or state["next_slot_at"] is None:
        return limit
    ahead = (state["next_slot_at"] - now).total_seconds() * lane.per_second
    room: int = math.floor(lane.burst - max(0.0, ahead) + 1e-6)
    return min(limit, room)


def _lease(connection: sa.Connection, rows: Sequence[sa.RowMapping], lease: str, now: datetime, lane: Lane) -> None:
    until = now + timedelta(seconds=lane.lease_seconds)
    connection.execute(
        _LEASE,
        [
            {
                "b_number": row["incident_number"],
                "b_channel": row["channel"],
                "b_recipient": row["recipient"],
                "b_lease": lease,
                "b_until": until,
                "b_attempted": (row["attempted_at"] if row["in_flight"] else None) or now,
            }
            for row in rows
        ],
    )


def _take_slots(connection: sa.Connection, lane: Lane, state: sa.RowMapping | None, count: int, now: datetime) -> None:
    assert lane.per_second is not None
    start = max(now, state["next_slot_at"] or now) if state is not None else now
    row = {"channel": lane.channel, "next_slot_at": start + timedelta(seconds=count / lane.per_second)}
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(channel_state).values(**row, failing=False, pause_reason="")
    connection.execute(
        statement.on_conflict_do_update(index_elements=["channel"], set_={"next_slot_at": row["next_slot_at"]})
    )


@dataclass(frozen=True, slots=True, eq=False)
class Leased:
    """A delivery's row as it was before it was leased."""

    row: sa.RowMapping
    lease: str
    neighbour: Mapping[str, Any]

    @property
    def number(self) -> int:
        """Of the incident."""
        return int(self.row["incident_number"])

    def claim(self, seen: Snapshot) -> Claim:
        """Of what the same transaction saw."""
        row, unknown = self.row, self.row["in_flight"]
        same = unknown and row["frozen"] is not None and row["frozen_revision"] >= row["wanted"]
        return Claim(
            incident=seen.incident,
            target=Target(row["channel"], row["recipient"]),
            lease=self.lease,
            revision=row["frozen_revision"] if same else seen.incident.revision,
            sent=row["sent"],
            firing=row["firing"],
            attempts=row["attempts"],
            unknown=unknown,
            shrink=row["shrink"],
            wanted_at=row["wanted_at"],
            attempted_at=row["attempted_at"] if unknown else None,
            handle=row["handle"],
            frozen=row["frozen"] if same else None,
            tried=row["frozen"] if unknown else None,
            neighbour=self.neighbour if unknown and not row["handle"] else {},
            news=seen.news,
        )
