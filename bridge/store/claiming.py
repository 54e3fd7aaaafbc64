"""One channel's turn in the transaction that claims: what may be sent now, and whether a storm begins.

Invariant: pace, pause, probes, concurrency and storm are asked of the database each time, so that any number of workers
keep them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bridge.core.delivery.failures import probing, probing_in_a_pause, room_for_doubtful, spacing
from bridge.core.model import Target
from bridge.core.ports import Claim, Lane
from bridge.core.storms.detection import Storm
from bridge.observability import logs
from bridge.store.applying import Policy
from bridge.store.candidates import Candidates
from bridge.store.channel_states import ChannelState, locked_state, put_state
from bridge.store.collapsing import LEAST, are_waiting
from bridge.store.snapshots import Snapshot, lock
from bridge.store.storms import begin, tighten
from bridge.store.tables import delivery

log = logs.get("store")

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
    """One lane's turn in the transaction that claims. chance: what decides between equals, in [0, 1)."""

    connection: sa.Connection
    lane: Lane
    storm: Storm | None
    policy: Callable[[], Policy] | None
    now: datetime
    chance: float
    _unknown: int = 0  #: tries that may have arrived, while the vendor fails

    def leased(self, lease: str) -> list[Leased]:
        state = locked_state(self.connection, self.lane.channel)
        limit = state.room(self.lane, self.now)
        rows = self._rows(state, limit)
        if len(rows) >= limit and self._gathers():
            rows = self._rows(state, limit)
        # What is being changed just now is claimed when it has been: soon, and as it is then.
        still = lock(self.connection, (row["incident_number"] for row in rows)) if rows else set()
        rows = [row for row in rows if row["incident_number"] in still]
        if not rows:
            return []
        _lease(self.connection, rows, lease, self.now, self.lane)
        values = state.after(self.lane, len(rows), self.now)
        if state.failing and (distance := spacing(_tries(rows[0]), self._unknown)) is not None:
            values["probe_at"] = self.now + distance
        put_state(self.connection, self.lane.channel, values)
        lost = any(row["in_flight"] and not row["handle"] for row in rows)
        neighbour = _newest_handle(self.connection, self.lane.channel) if lost else {}
        return [Leased(row, lease, neighbour, self.now) for row in rows]

    def _rows(self, state: ChannelState, limit: int) -> Sequence[sa.RowMapping]:
        if limit < 1:
            return []
        lane, found = self.lane, Candidates(self.connection, self.lane.channel, self.storm, self.now)
        doubtful = lane.doubtful if lane.doubtful is not None else room_for_doubtful(lane.limit)
        if state.paused(self.now):
            return found.probe(probing_in_a_pause(self.chance), doubtful=doubtful > 0)
        if not state.failing:
            return found.most_urgent(limit, doubtful, self.chance)
        self._unknown = found.unknown()
        again = state.probe_at is None or state.probe_at <= self.now
        wanted = probing(again=again, unknown=self._unknown, chance=self.chance)
        return found.probe(wanted, doubtful=doubtful > 0)

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


def _tries(row: sa.RowMapping) -> int:
    """That failed for a reason that may be the vendor's."""
    return int(row["attempts"]) if row["failed_at"] is not None else 0


def _newest_handle(connection: sa.Connection, channel: str) -> Mapping[str, Any]:
    """What the channel said of the incident that it was told of last; empty when it was told of none."""
    told = sa.select(delivery.c.handle).where(delivery.c.channel == channel, delivery.c.sent_at.is_not(None))
    return connection.scalar(told.order_by(delivery.c.sent_at.desc()).limit(1)) or {}


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


@dataclass(frozen=True, slots=True, eq=False)
class Leased:
    """A delivery's row as it was before it was leased."""

    row: sa.RowMapping
    lease: str
    neighbour: Mapping[str, Any]
    at: datetime

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
            claimed_at=self.at,
            failed_at=row["failed_at"],
            alone=row["alone"],
            doubtful=bool(row["doubtful"]),
        )
