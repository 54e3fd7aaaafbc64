"""Which of a channel's deliveries may be tried now, and in which order.

Invariant: what is asked here is locked until the claim is committed; what another worker has locked is left to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bridge.core.delivery.attempts import Candidate
from bridge.core.delivery.delivery import skip
from bridge.core.delivery.failures import UNKNOWN, Probing, urgency
from bridge.core.model import Severity
from bridge.core.storms.detection import Storm
from bridge.store.prepared import Prepared
from bridge.store.rows import candidate_from
from bridge.store.settling import write_skipped
from bridge.store.suppression import suppressed_in
from bridge.store.tables import delivery

_CHANNEL: sa.BindParameter[str] = sa.bindparam("b_channel")
_NOW: sa.BindParameter[datetime] = sa.bindparam("b_now")
_RANK, _DIGEST = sa.bindparam("b_rank", type_=sa.Integer), sa.bindparam("b_digest", type_=sa.Integer)
#: Is tried whatever the vendor's state.
NEW_CRITICAL = sa.and_(delivery.c.failed_at.is_(None), delivery.c.rank == Severity.CRITICAL.rank)
_FAILED = delivery.alias("failed")
_IN_DOUBT = sa.or_(
    delivery.c.failed_at.is_not(None),
    delivery.c.incident_number.in_(
        sa.select(_FAILED.c.incident_number).where(
            _FAILED.c.channel == _CHANNEL, _FAILED.c.pending, _FAILED.c.failed_at.is_not(None)
        )
    ),
)
_ANY_FAILED = Prepared(
    sa.select(sa.literal(1))
    .where(delivery.c.channel == _CHANNEL, delivery.c.pending, delivery.c.failed_at.is_not(None))
    .limit(1)
)


def _claimable(doubtful: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return (
        sa.select(delivery, doubtful.label("doubtful"))
        .where(
            delivery.c.channel == _CHANNEL,
            delivery.c.pending,
            delivery.c.due_at <= _NOW,
            sa.or_(delivery.c.lease_until.is_(None), delivery.c.lease_until <= _NOW),
        )
        .limit(sa.bindparam("b_limit", type_=sa.Integer))
        .with_for_update(of=delivery, skip_locked=True)
    )


def _both(query: sa.Select[Any], *first: Any, last: Any = delivery.c.wanted_at) -> tuple[Prepared, Prepared]:
    """Without and in a storm, which leaves out what it suppresses, and has of one rank the digest first."""
    usual = query.order_by(*first, delivery.c.rank, last)
    stormy = query.where(sa.not_(suppressed_in(_RANK, _DIGEST)))
    stormy = stormy.order_by(*first, delivery.c.rank, delivery.c.incident_number != _DIGEST, last)
    return Prepared(usual), Prepared(stormy)


_EVERY = _both(_claimable(sa.false()))
_SURE = _both(_claimable(sa.false()).where(sa.not_(_IN_DOUBT)))
_DOUBTFUL = _both(_claimable(sa.true()).where(_IN_DOUBT), delivery.c.alone)
_AGAIN, _FRESH = (sa.bindparam(name, type_=sa.Boolean) for name in ("b_again", "b_fresh"))
_NEW = sa.or_(NEW_CRITICAL, sa.and_(delivery.c.failed_at.is_(None), _FRESH))
_PROBES = _claimable(_IN_DOUBT).where(
    sa.or_(_NEW, sa.and_(_AGAIN, delivery.c.failed_at.is_not(None))),
    sa.or_(sa.bindparam("b_doubtful", type_=sa.Boolean), sa.not_(_IN_DOUBT)),
)
_OLDEST = _both(_PROBES, delivery.c.attempts)
_NEWEST = _both(_PROBES, delivery.c.attempts, last=delivery.c.wanted_at.desc())
_UNKNOWN = Prepared(
    sa.select(sa.func.count()).select_from(
        sa.select(sa.literal(1))
        .where(
            delivery.c.channel == _CHANNEL, delivery.c.pending, delivery.c.failed_at.is_not(None), delivery.c.in_flight
        )
        .limit(UNKNOWN)
        .subquery()
    )
)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Of one channel, at one moment. A resolve whose trigger was never delivered is skipped here, and takes no slot."""

    connection: sa.Connection
    channel: str
    storm: Storm | None
    now: datetime

    def most_urgent(self, limit: int, doubtful: int, chance: float) -> list[Candidate]:
        """While the channel works. doubtful: how many of them may be in doubt."""
        if not _ANY_FAILED.scalar(self.connection, {"b_channel": self.channel}):
            return self._found(_EVERY, limit)
        found = [*self._found(_SURE, limit), *self._found(_DOUBTFUL, min(limit, doubtful))]
        return sorted(found, key=lambda each: self._urgency(each, chance))[:limit]

    def probe(self, wanted: Probing, *, doubtful: bool) -> list[Candidate]:
        """While it fails: one at most. doubtful: whether it may be in doubt."""
        query = _NEWEST if wanted.newest else _OLDEST
        return self._found(query, 1, b_again=wanted.again, b_fresh=wanted.fresh, b_doubtful=doubtful)

    def unknown(self) -> int:
        """How many tries there are that failed and may have arrived; no more are counted than matter."""
        return int(_UNKNOWN.scalar(self.connection, {"b_channel": self.channel}) or 0)

    def _found(self, with_and_without_storm: tuple[Prepared, Prepared], limit: int, **more: bool) -> list[Candidate]:
        if limit < 1:
            return []
        wanted: dict[str, Any] = {"b_channel": self.channel, "b_now": self.now, "b_limit": limit, **more}
        query = with_and_without_storm[0]
        if self.storm is not None:
            query = with_and_without_storm[1]
            wanted |= {"b_rank": self.storm.rank, "b_digest": self.storm.number}
        while found := [candidate_from(row) for row in query.rows(self.connection, wanted)]:
            ended = [each.delivery for each in found if each.delivery.is_over_unnotified]
            if not ended:
                break
            write_skipped(self.connection, [skip(each) for each in ended], self.now)
        return found

    def _urgency(self, candidate: Candidate, chance: float) -> tuple[Any, ...]:
        known = candidate.delivery
        first = urgency(rank=known.rank, doubtful=candidate.doubtful, alone=known.alone, chance=chance)
        is_digest = self.storm is not None and known.incident_number == self.storm.number
        return *first, not is_digest, known.wanted_at
