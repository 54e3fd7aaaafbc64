"""The worker's side: lease, freeze, settle.

Invariant: a lease is committed before anything is sent, and ends by itself.

They go on where SQLite's file was deleted: no other process can send what was accepted in it.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bridge.core.delivery.failures import SHORT_PAUSE
from bridge.core.errors import StoreRefused
from bridge.core.model import Incident
from bridge.core.ports import ChannelCapacity, Claim, Outcome
from bridge.store.applying import Policy
from bridge.store.candidates import NEW_CRITICAL
from bridge.store.changes import forget_changes
from bridge.store.claiming import Claiming, Leased
from bridge.store.clock_jumps import mend_times
from bridge.store.database import reading, transaction
from bridge.store.prepared import Prepared, among
from bridge.store.request_keys import forget_request_keys
from bridge.store.settling import Settlements
from bridge.store.snapshots import Unreadable, incidents, snapshots, unreadable
from bridge.store.suppression import SAME_CHANNEL, SUPPRESSED, under_way
from bridge.store.tables import channel_state, delivery, incident, storm, worker
from bridge.store.updates import updating
from bridge.store.upserts import insert_into

FORGOTTEN = 500  #: incidents at a time, a few hundredths of a second
_STILL_LEASED = delivery.c.lease == sa.bindparam("b_lease")
_FREEZE = Prepared(updating(("frozen_revision",)).where(_STILL_LEASED).values(frozen=sa.bindparam("b_frozen")))


class _Opened(threading.local):
    """The transaction that a thread has begun, which its calls join."""

    connection: sa.Connection | None = None


class StoreDeliveries:
    """See bridge.core.ports.Deliveries."""

    def __init__(
        self,
        engine: sa.Engine,
        worker_id: str = "",
        policy: Callable[[], Policy] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """policy: what storms begin by; without it none begins while claiming. chance: decides between equals."""
        self._engine, self._worker_id, self._policy, self._chance = engine, worker_id, policy, chance
        self._opened = _Opened()

    @property
    def commits_together(self) -> bool:
        """Whether together() may be used: where one writer has the database for itself. PostgreSQL's locks are taken in
        an order within each kind of transaction, which one of several kinds would not keep."""
        return self._engine.dialect.name == "sqlite"

    @contextmanager
    def together(self) -> Iterator[None]:
        """What this thread claims, freezes, settles and asks within is one transaction, and one commit.

        When anything raises, nothing of it is stored.
        """
        with transaction(self._engine, orphan=True) as connection:
            self._opened.connection = connection
            try:
                yield
            finally:
                self._opened.connection = None

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        if self._opened.connection is not None:
            yield self._opened.connection
            return
        with transaction(self._engine, orphan=True) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        if self._opened.connection is not None:
            yield self._opened.connection
            return
        with reading(self._engine) as connection:
            yield connection

    def claim(self, capacities: Sequence[ChannelCapacity], now: datetime) -> list[Claim]:
        if not capacities:
            return []
        try:
            return self._claim(capacities, now)
        except Unreadable as fault:  # it must not delay what is claimed with it
            if self._opened.connection is not None:
                raise  # with the leases that are written already
            return self._claim(capacities, now, unreadable(self._engine, fault.numbers))

    def _claim(
        self, capacities: Sequence[ChannelCapacity], now: datetime, unreadable: Collection[int] = ()
    ) -> list[Claim]:
        """What is unreadable is leased and left until its lease ends."""
        with self._transaction() as connection:
            storms = under_way(connection) if any(capacity.storm_at is not None for capacity in capacities) else {}
            lease = f"{self._worker_id}.{secrets.token_hex(4)}"
            # As settlements lock the channels' states.
            ordered = sorted(capacities, key=lambda capacity: capacity.channel)
            leased: dict[Leased, int] = {}
            for capacity in ordered:
                storm, chance = storms.get(capacity.channel), self._chance()
                claiming = Claiming(connection, capacity, storm, self._policy, now, chance)
                leased |= {each: each.number for each in claiming.leased(lease)}
            seen = snapshots(connection, set(leased.values()) - set(unreadable))
            return [each.claim(seen[number]) for each, number in leased.items() if number in seen]

    def incidents(self, numbers: Sequence[int]) -> dict[int, Incident]:
        with reading(self._engine) as connection:
            return incidents(connection, numbers)

    def freeze(self, claims: Sequence[tuple[Claim, bytes]]) -> None:
        """Store the bytes of mails before they are sent, so that a repeated try sends the same ones.

        Raises StoreRefused when a lease is lost: the new holder composes another mail of the same Message-ID.
        """
        with self._transaction() as connection:
            for claim, data in claims:
                row = {**_lease_key(claim), "b_frozen": data, "b_frozen_revision": claim.revision}
                if not _FREEZE.run(connection, row):
                    raise StoreRefused(f"another worker has incident {claim.incident_number} for {claim.target}")

    def settle(self, settled: Sequence[tuple[Claim, Outcome]], now: datetime) -> None:
        with self._transaction() as connection:
            settlements = Settlements(connection, now)
            for claim, outcome in settled:
                settlements.add(claim, outcome)
            settlements.write()

    def next_due(self, now: datetime, channels: Sequence[str]) -> datetime | None:
        """When the next delivery that waits for these may be tried: leases, pauses, probes and pace included."""
        if not channels:
            return None
        wanted = {"b_channels": list(channels), "b_soon": now + SHORT_PAUSE}
        with self._reading() as connection:
            due: datetime | None = _NEXT_DUE.scalar(connection, wanted)
        return due

    def end_pauses(self) -> None:
        """After a (re)start with new settings: a corrected credential should be tried at once."""
        with transaction(self._engine) as connection:
            free = {"paused_until": None, "probe_at": None, "pause_reason": ""}
            connection.execute(sa.update(channel_state).values(free))

    def release_dead_leases(self, host: str, is_running: Callable[[int], bool], now: datetime) -> int:
        """End the leases of workers of this host that are no more: what they were sending need not wait for them.

        A worker's place is `host pid`. Returns how many deliveries were freed.
        """
        with transaction(self._engine) as connection:
            places = connection.execute(sa.select(worker.c.id, worker.c.place)).all()
            dead = [each.id for each in places if _ended(each.place, host, is_running)]
            freed = 0
            for worker_id in dead:
                leased = sa.and_(delivery.c.lease.startswith(f"{worker_id}."), delivery.c.lease_until > now)
                freed += connection.execute(sa.update(delivery).where(leased).values(lease_until=now)).rowcount
            connection.execute(sa.delete(worker).where(worker.c.id.in_(dead)))
        return freed

    def alive(self, place: str, started_at: datetime, now: datetime) -> None:
        """Say that this worker lives; readiness reads it. Forgets workers that have been silent for a day."""
        row = {"id": self._worker_id, "seen_at": now, "started_at": started_at, "place": place}
        statement = insert_into(worker, self._engine.dialect.name).values(row)
        statement = statement.on_conflict_do_update(index_elements=["id"], set_={"seen_at": now})
        with transaction(self._engine) as connection:
            connection.execute(statement)
            connection.execute(sa.delete(worker).where(worker.c.seen_at < now - timedelta(days=1)))

    def mend_times(self, now: datetime, ahead: timedelta) -> int:
        """After the clock went back; how many rows were further ahead than that."""
        with transaction(self._engine) as connection:
            return mend_times(connection, now, ahead)

    def forget(self, before: datetime) -> int:
        """Delete incidents that were resolved before then and that every channel was notified of, and old changes.

        Some of them, for nothing else is written meanwhile: again, until it returns 0.
        """
        waiting = sa.select(delivery.c.incident_number).where(delivery.c.pending)
        old = sa.and_(incident.c.state == "resolved", incident.c.updated_at < before, incident.c.number.not_in(waiting))
        some = sa.select(incident.c.number).where(old).order_by(incident.c.updated_at).limit(FORGOTTEN)
        with transaction(self._engine) as connection:
            forget_changes(connection, before)
            numbers = connection.scalars(some).all()
            # Still old: on PostgreSQL one may be open again by now.
            return int(connection.execute(sa.delete(incident).where(incident.c.number.in_(numbers), old)).rowcount)

    def forget_request_keys(self, now: datetime) -> None:
        """The results of actions that were kept for a day."""
        with transaction(self._engine) as connection:
            forget_request_keys(connection, now)


def _next_due(dialect: str) -> sa.Executable:
    probed = sa.and_(channel_state.c.failing, delivery.c.failed_at.is_not(None))
    waits = sa.or_(sa.not_(NEW_CRITICAL), channel_state.c.paused_until <= sa.bindparam("b_soon"))
    bounds: list[sa.ColumnElement[Any]] = [
        delivery.c.lease_until,
        sa.case((waits, channel_state.c.paused_until)),
        channel_state.c.next_slot_at,
        sa.case((probed, channel_state.c.probe_at)),
    ]
    latest = sa.func.greatest if dialect == "postgresql" else sa.func.max
    due = latest(delivery.c.due_at, *(sa.func.coalesce(each, delivery.c.due_at) for each in bounds))
    joined = delivery.outerjoin(channel_state, channel_state.c.channel == delivery.c.channel)
    joined = joined.outerjoin(storm, SAME_CHANNEL)
    soonest = sa.type_coerce(sa.func.min(due), delivery.c.due_at.type)
    mine = among(delivery.c.channel, "b_channels")
    return sa.select(soonest).select_from(joined).where(mine, delivery.c.pending, sa.not_(SUPPRESSED))


_NEXT_DUE = Prepared(_next_due)


def _lease_key(claim: Claim) -> dict[str, Any]:
    return {
        "b_incident_number": claim.incident_number,
        "b_channel": claim.target.channel,
        "b_recipient": claim.target.recipient,
        "b_lease": claim.lease,
    }


def _ended(place: str, host: str, is_running: Callable[[int], bool]) -> bool:
    theirs, _, pid = place.rpartition(" ")
    return theirs == host and pid.isdigit() and not is_running(int(pid))
