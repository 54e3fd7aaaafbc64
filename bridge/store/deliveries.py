"""The worker's side: lease, freeze, settle. Law: a lease is committed before anything is sent, and ends by itself."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bridge.core.model import Entry, Incident, Target
from bridge.core.ports import Begun, Claim, GiveUp, Lane, Outcome, RetryAt, Sent
from bridge.store.applying import complete
from bridge.store.changes import forget_changes
from bridge.store.clock_jumps import mend_times
from bridge.store.database import reading, transaction
from bridge.store.rows import entry_from, incident_from
from bridge.store.settling import FENCE, Settlements, lease_key
from bridge.store.tables import channel_state, delivery, event, incident, worker

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
    .order_by(delivery.c.rank, delivery.c.wanted_at)
    .limit(sa.bindparam("b_limit", type_=sa.Integer))
    .with_for_update(skip_locked=True)
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
_FREEZE = (
    sa.update(delivery)
    .where(*FENCE)
    .values(frozen=sa.bindparam("b_frozen"), frozen_revision=sa.bindparam("b_revision"))
)
_INCIDENTS = sa.select(incident).where(incident.c.number.in_(sa.bindparam("numbers", expanding=True)))
_NEWS = (
    sa.select(event)
    .where(event.c.incident_number.in_(sa.bindparam("numbers", expanding=True)), event.c.loud)
    .order_by(event.c.id)
)


class StoreDeliveries:
    """See bridge.core.ports.Deliveries."""

    def __init__(self, engine: sa.Engine, worker_id: str = "") -> None:
        self._engine, self._worker_id = engine, worker_id

    def claim(self, lanes: Sequence[Lane], now: datetime) -> list[Claim]:
        if not lanes:
            return []
        with transaction(self._engine) as connection:
            lease = f"{self._worker_id}.{secrets.token_hex(4)}"
            return [claim for lane in lanes for claim in _claim_lane(connection, lane, lease, now)]

    def incidents(self, numbers: Sequence[int]) -> dict[int, Incident]:
        with reading(self._engine) as connection:
            rows = connection.execute(_INCIDENTS, {"numbers": numbers}).mappings()
            return {found.number: found for found in complete(connection, [incident_from(row) for row in rows])}

    def news(self, numbers: Sequence[int]) -> dict[int, list[Entry]]:
        found: dict[int, list[Entry]] = {}
        with reading(self._engine) as connection:
            for row in connection.execute(_NEWS, {"numbers": numbers}).mappings():
                found.setdefault(row["incident_number"], []).append(entry_from(row))
        return found

    def freeze(self, claims: Sequence[tuple[Claim, bytes]]) -> None:
        """Store the bytes of mails before they are sent, so that a repeated try sends the same ones."""
        with transaction(self._engine) as connection:
            rows = [{**lease_key(claim), "b_frozen": data, "b_revision": claim.revision} for claim, data in claims]
            connection.execute(_FREEZE, rows)

    def settle(self, settled: Sequence[tuple[Claim, Outcome]], now: datetime) -> None:
        with transaction(self._engine) as connection:
            settlements = Settlements(connection, now)
            for claim, outcome in settled:
                match outcome:
                    case Sent():
                        settlements.sent(claim, outcome)
                    case RetryAt():
                        settlements.retry(claim, outcome)
                    case GiveUp():
                        settlements.give_up(claim, outcome)
                    case Begun():
                        settlements.begun(claim, outcome)
            settlements.write()

    def next_due(self, now: datetime, channels: Sequence[str]) -> datetime | None:
        """When the next delivery that waits for these may be tried: leases, pauses and pace included."""
        if not channels:
            return None
        due: sa.ColumnElement[Any] = sa.func.max(
            delivery.c.due_at,
            sa.func.coalesce(delivery.c.lease_until, delivery.c.due_at),
            sa.func.coalesce(channel_state.c.paused_until, delivery.c.due_at),
            sa.func.coalesce(channel_state.c.next_slot_at, delivery.c.due_at),
        )
        if self._engine.dialect.name == "postgresql":
            due = sa.func.greatest(
                delivery.c.due_at,
                delivery.c.lease_until,
                channel_state.c.paused_until,
                channel_state.c.next_slot_at,
                type_=delivery.c.due_at.type,
            )
        joined = delivery.outerjoin(channel_state, channel_state.c.channel == delivery.c.channel)
        soonest = sa.type_coerce(sa.func.min(due), delivery.c.due_at.type)
        with reading(self._engine) as connection:
            mine = sa.and_(delivery.c.channel.in_(channels), delivery.c.pending)
            return connection.scalar(sa.select(soonest).select_from(joined).where(mine))

    def end_pauses(self) -> None:
        """After a (re)start with new settings: a corrected credential should be tried at once."""
        with transaction(self._engine) as connection:
            connection.execute(sa.update(channel_state).values(paused_until=None, pause_reason=""))

    def succeed(self, host: str, is_running: Callable[[int], bool], now: datetime) -> int:
        """End the leases of workers of this host that are no more: what they were sending need not wait for them.

        A worker's place is `host pid`. Returns how many deliveries were freed.
        """
        with transaction(self._engine) as connection:
            places = connection.execute(sa.select(worker.c.id, worker.c.place)).all()
            dead = [each.id for each in places if _ended(each.place, host, is_running)]
            freed = 0
            for worker_id in dead:
                held = sa.and_(delivery.c.lease.startswith(f"{worker_id}."), delivery.c.lease_until > now)
                freed += connection.execute(sa.update(delivery).where(held).values(lease_until=now)).rowcount
            connection.execute(sa.delete(worker).where(worker.c.id.in_(dead)))
        return freed

    def alive(self, place: str, started_at: datetime, now: datetime) -> None:
        """Say that this worker lives; readiness looks at it. Forgets workers that have been silent for a day."""
        make = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        row = {"id": self._worker_id, "seen_at": now, "started_at": started_at, "place": place}
        statement = make(worker).values(row)
        statement = statement.on_conflict_do_update(index_elements=["id"], set_={"seen_at": now})
        with transaction(self._engine) as connection:
            connection.execute(statement)
            connection.execute(sa.delete(worker).where(worker.c.seen_at < now - timedelta(days=1)))

    def mend_times(self, now: datetime, ahead: timedelta) -> int:
        """After the clock went back; how many rows were further ahead than that."""
        with transaction(self._engine) as connection:
            return mend_times(connection, now, ahead)

    def forget(self, before: datetime) -> int:
        """Delete incidents that were resolved before then and that every channel has been told of, and old changes."""
        waiting = sa.select(delivery.c.incident_number).where(delivery.c.pending)
        statement = sa.delete(incident).where(
            incident.c.state == "resolved", incident.c.updated_at < before, incident.c.number.not_in(waiting)
        )
        with transaction(self._engine) as connection:
            forget_changes(connection, before)
            return int(connection.execute(statement).rowcount)


def _ended(place: str, host: str, is_running: Callable[[int], bool]) -> bool:
    theirs, _, pid = place.rpartition(" ")
    return theirs == host and pid.isdigit() and not is_running(int(pid))


def _claim_lane(connection: sa.Connection, lane: Lane, lease: str, now: datetime) -> list[Claim]:
    state = connection.execute(_STATE, {"b_channel": lane.channel}).mappings().first()
    limit = _allowed(lane, state, now)
    if limit < 1:
        return []
    wanted = {"b_channel": lane.channel, "b_now": now, "b_limit": limit}
    rows = connection.execute(_CLAIMABLE, wanted).mappings().all()
    if not rows:
        return []
    _lease(connection, rows, lease, now, lane)
    if lane.per_second is not None:
        _take_slots(connection, lane, state, len(rows), now)
    lost = any(row["in_flight"] and not row["handle"] for row in rows)
    neighbour = _newest_handle(connection, lane.channel) if lost else {}
    return [_claim(row, lease, neighbour) for row in rows]


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


def _claim(row: sa.RowMapping, lease: str, neighbour: Mapping[str, Any]) -> Claim:
    same = row["frozen_revision"] == row["wanted"]
    return Claim(
        incident_number=row["incident_number"],
        target=Target(row["channel"], row["recipient"]),
        lease=lease,
        revision=row["wanted"],
        sent=row["sent"],
        firing=row["firing"],
        attempts=row["attempts"],
        unknown=row["in_flight"],
        shrink=row["shrink"],
        wanted_at=row["wanted_at"],
        attempted_at=row["attempted_at"] if row["in_flight"] else None,
        handle=row["handle"],
        frozen=row["frozen"] if same and row["in_flight"] else None,
        neighbour=neighbour if row["in_flight"] and not row["handle"] else {},
    )
