"""Beginning, following and ending storms. Any number of workers may watch.

Invariant: a storm's row and its digest are written in one transaction, while the row is locked; so a killed worker
leaves both or neither, and a channel has one digest at a time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from bridge.core.escalation import Kind, Timer
from bridge.core.model import Change, Incident
from bridge.core.routing.tree import walk
from bridge.core.storms.detection import Storm, StormLimits, decide, follow, is_louder, update_due
from bridge.core.storms.digests import Suppressed, SuppressedGroup, grouped, opened, over, total, updated, worst
from bridge.store.applying import Policy, Writing, complete
from bridge.store.database import reading, transaction
from bridge.store.rows import incident_from, storm_from, storm_row
from bridge.store.suppression import WAITS_UNNOTIFIED, suppressed, under_way, waiting
from bridge.store.tables import delivery, incident, storm
from bridge.store.timers import put_timers
from bridge.store.upserts import insert_into
from bridge.store.waking import Waker


class StoreStorms:
    """The worker's watch over the storms, by the policy in force."""

    def __init__(self, engine: sa.Engine, policy: Callable[[], Policy]) -> None:
        self._engine, self._policy, self._waker = engine, policy, Waker(engine)

    def watch(self, now: datetime) -> list[str]:
        """What began and ended, in words."""
        policy = self._policy()
        return [text for channel in self._concerned(policy, now) for text in self._check(policy, channel, now)]

    def _concerned(self, policy: Policy, now: datetime) -> list[str]:
        """Channels that storm, and those for which so much waits that they may."""
        counted = sa.select(delivery.c.channel, sa.func.count()).where(WAITS_UNNOTIFIED, delivery.c.due_at <= now)
        with reading(self._engine) as connection:
            found = set(under_way(connection))
            if policy.storms:
                rows = connection.execute(counted.group_by(delivery.c.channel))
                counts = {row[0]: row[1] for row in rows}
                found |= {name for name, limits in policy.storms.items() if counts.get(name, 0) >= limits.begins_at}
        return sorted(found)

    def _check(self, policy: Policy, channel: str, now: datetime) -> list[str]:
        with transaction(self._engine) as connection:
            row = connection.execute(sa.select(storm).where(storm.c.channel == channel).with_for_update())
            found = row.mappings().first()
            if found is None:
                begun = begin(connection, policy, channel, now)
                done = [f"{channel} storms, reported in #{begun.number}"] if begun else []
            else:
                done = _Following(connection, policy, storm_from(found), now).go_on()
            self._waker.within(connection)
        self._waker.after_commit()
        return done


def begin(connection: sa.Connection, policy: Policy, channel: str, now: datetime) -> Storm | None:
    """None when too little waits, or another worker was faster."""
    limits = policy.storms.get(channel)
    verdict = decide(None, waiting(connection, channel, now), limits, now)
    if limits is None or verdict.rank is None:
        return None
    begun = Storm(channel, 0, verdict.rank, now, now, None, now, 0, 0)
    inserted = insert_into(storm, connection.dialect.name).values(storm_row(begun))
    mine = inserted.on_conflict_do_nothing().returning(storm.c.channel)
    if connection.scalar(mine) is None:
        return None
    groups = grouped(suppressed(connection, channel, now))
    writing = Writing(connection, policy, now)
    digest = writing.add(opened(channel, groups, limits, verdict.because, now, secrets.token_hex(8)))
    writing.write()
    begun = replace(begun, number=digest.number, notified_count=total(groups), notified_rank=worst(groups))
    _save(connection, begun)
    return begun


def tighten(connection: sa.Connection, policy: Policy, found: Storm, now: datetime) -> Storm:
    """Suppress what is more severe too, at once; the periodic watch updates the digest.

    For the transaction that claims, which waits for no lock: what is locked is being followed.
    """
    mine = sa.select(storm).where(storm.c.channel == found.channel).with_for_update(skip_locked=True)
    row = connection.execute(mine).mappings().first()
    if row is None:
        return found
    known = storm_from(row)
    counts = waiting(connection, known.channel, now, known.number)
    tightened = follow(known, decide(known, counts, policy.storms.get(known.channel), now), now)
    if tightened.rank < known.rank:
        _save(connection, tightened)
        return tightened
    return known


class _Following:
    """One storm under way, its row locked."""

    def __init__(self, connection: sa.Connection, policy: Policy, found: Storm, now: datetime) -> None:
        self._connection, self._policy, self._storm, self._now = connection, policy, found, now
        self._limits = policy.storms.get(found.channel)

    def go_on(self) -> list[str]:
        found, digest = self._storm, self._digest()
        counts = waiting(self._connection, found.channel, self._now, found.number)
        verdict = decide(found, counts, self._limits, self._now)
        if verdict.rank is None or digest is None or self._limits is None:
            return self._end(digest, verdict.because)
        following = follow(found, verdict, self._now)
        if following.rank != found.rank or update_due(following, self._limits, self._now):
            following = self._update(digest, self._limits, following)
        if following != found:
            _save(self._connection, following)
        return []

    def _update(self, digest: Incident, limits: StormLimits, following: Storm) -> Storm:
        """Update the digest with what is suppressed from now on."""
        before = self._suppressed() if following.rank > self._storm.rank else ()
        _save(self._connection, following)
        now = self._suppressed()
        released = {each.number for each in before if each.rank < following.rank}
        self._recheck(released | ({each.number for each in now} if self._is_dead() else set()))
        groups, page_again = grouped(now), self._policy.rules.page_again
        self._write(updated(digest, following, groups, limits, self._now, page_again=page_again))
        return replace(_reported(following, groups), updated_at=self._now)

    def _end(self, digest: Incident | None, because: str) -> list[str]:
        found, left, ended = self._storm, self._suppressed(), self._ended()
        self._connection.execute(sa.delete(storm).where(storm.c.channel == found.channel))
        if digest is not None:
            self._write(over(digest, found, len(left), ended, because, self._now))
        self._recheck({each.number for each in left})
        return [f"the storm on {found.channel} is over, reported in #{found.number}"]

    def _suppressed(self) -> list[Suppressed]:
        return suppressed(self._connection, self._storm.channel, self._now)

    def _digest(self) -> Incident | None:
        query = sa.select(incident).where(incident.c.number == self._storm.number).with_for_update(key_share=True)
        rows = [incident_from(row) for row in self._connection.execute(query).mappings()]
        return next(iter(complete(self._connection, rows)), None)

    def _write(self, change: Change) -> None:
        writing = Writing(self._connection, self._policy, self._now)
        writing.load_deliveries([self._storm.number])
        writing.add(change)
        writing.write()

    def _ended(self) -> int:
        """How many incidents were over before this channel was notified of them, since the storm began."""
        mine = sa.and_(
            delivery.c.channel == self._storm.channel, delivery.c.sent == 0, delivery.c.changed_at >= self._storm.since
        )
        over_unnotified = sa.and_(mine, sa.not_(delivery.c.pending), sa.not_(delivery.c.firing))
        query = sa.select(sa.func.count(delivery.c.incident_number.distinct())).where(over_unnotified)
        return self._connection.scalar(query) or 0

    def _is_dead(self) -> bool:
        query = sa.select(delivery.c.dead).where(delivery.c.incident_number == self._storm.number, delivery.c.dead)
        return self._connection.scalar(query.limit(1)) is not None

    def _recheck(self, numbers: set[int]) -> None:
        """The digest stands for these no more: the watch over the timers finds out whether they need a fallback."""
        if any(route.fallback for route in walk(self._policy.tree)):
            timer = Timer(Kind.FALLBACK, self._storm.channel, self._now)
            put_timers(self._connection, [(number, timer) for number in sorted(numbers)])


def _reported(following: Storm, groups: Sequence[SuppressedGroup]) -> Storm:
    """What the digest said when it was loud last."""
    count, rank = total(groups), worst(groups)
    return (
        replace(following, notified_count=count, notified_rank=rank) if is_louder(following, count, rank) else following
    )


def _save(connection: sa.Connection, found: Storm) -> None:
    connection.execute(sa.update(storm).where(storm.c.channel == found.channel).values(storm_row(found)))
