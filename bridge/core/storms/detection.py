"""Storm detection for one channel: what its digest suppresses, and when single messages are sent again. Pure.

Invariant: the least severe is suppressed first, and nothing that can be sent within the maximum delay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bridge.core.delivery.delivery import Delivery
from bridge.core.model import Severity
from bridge.core.numbers import in_words

_FIRST_UPDATE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class StormLimits:
    """A channel's rate, and how long a backlog makes a storm."""

    per_second: float  #: messages that the channel accepts
    max_delay: timedelta = timedelta(minutes=1)
    at_least: int = 20
    quiet_period: timedelta = timedelta(minutes=1)
    update_every: timedelta = timedelta(seconds=30)
    suppressed_url: str | None = None  #: the page that lists the suppressed incidents

    @property
    def begins_at(self) -> int:
        """So many unsent messages are a storm."""
        return max(self.at_least, math.floor(self.per_second * self.max_delay.total_seconds()) + 1)


@dataclass(frozen=True, slots=True)
class Storm:
    """A storm in progress: unsent messages of this rank and less severe ones appear in the digest only."""

    channel: str
    number: int  #: of the digest, an incident
    rank: int
    since: datetime
    tightened_at: datetime  #: when the rank became as severe as it is
    quiet_since: datetime | None  #: from when on less had to be suppressed
    updated_at: datetime  #: when the digest was written last
    notified_count: int  #: how many incidents it represented, and
    notified_rank: int  #: the most severe of them, at its last loud entry

    def suppresses(self, delivery: Delivery) -> bool:
        """Its digest stands for this delivery of its channel."""
        return delivery.waits_unnotified and delivery.rank >= self.rank and delivery.incident_number != self.number


@dataclass(frozen=True, slots=True)
class StormDecision:
    """rank None: nothing is suppressed."""

    rank: int | None
    quiet_since: datetime | None = None
    because: str = ""


def cut_off(waiting: Mapping[int, int], limits: StormLimits) -> int | None:
    """The most severe rank that has to be suppressed, with all that are less severe.

    waiting: unsent messages by rank. More severe ones are sent one by one, as this fits into the maximum delay.
    """
    total = 0
    for rank in sorted(waiting):
        total += waiting[rank]
        if total >= limits.begins_at:
            return rank
    return None


def decide(storm: Storm | None, waiting: Mapping[int, int], limits: StormLimits | None, now: datetime) -> StormDecision:
    """More is suppressed at once, less only after the quiet period: a storm does not come and go with every peak.

    limits None: the channel has no rate limit any more, or its storms are switched off.
    """
    if limits is None:
        return StormDecision(
            None, because="storm detection is off for this channel: storm or rate was changed in routes.yaml"
        )
    wanted = cut_off(waiting, limits)
    if storm is None or (wanted is not None and wanted <= storm.rank):
        return StormDecision(wanted, because=_too_many(waiting, limits))
    quiet_since = storm.quiet_since or now
    if now - quiet_since < limits.quiet_period:
        return StormDecision(storm.rank, quiet_since)
    delay, quiet = in_words(limits.max_delay), in_words(limits.quiet_period)
    return StormDecision(wanted, because=f"for {quiet}, what waited could have been sent within {delay}")


def follow(storm: Storm, decision: StormDecision, now: datetime) -> Storm:
    """The storm after a decision that does not end it."""
    rank = storm.rank if decision.rank is None else decision.rank
    tightened_at = now if rank < storm.rank else storm.tightened_at
    return replace(storm, rank=rank, tightened_at=tightened_at, quiet_since=decision.quiet_since)


def update_due(storm: Storm, limits: StormLimits | None, now: datetime) -> bool:
    """At once when more severe ones are suppressed; often at first, while the count grows fastest; then every
    `update_every`."""
    if storm.updated_at < storm.tightened_at:
        return True
    every = limits.update_every if limits is not None else _FIRST_UPDATE
    return now - storm.updated_at >= min(every, max(_FIRST_UPDATE, storm.updated_at - storm.since))


def is_louder(storm: Storm, count: int, rank: int) -> bool:
    """Worth a new message: something more severe joined, or there are ten times as many."""
    return count > 0 and (rank < storm.notified_rank or count >= 10 * storm.notified_count)


def severity_of(rank: int) -> Severity:
    return list(Severity)[rank]


def _too_many(waiting: Mapping[int, int], limits: StormLimits) -> str:
    count = sum(waiting.values())
    takes = in_words(timedelta(seconds=count / limits.per_second))
    return f"{count:,} messages waited, which take {takes} at its rate (maximum delay {in_words(limits.max_delay)})"
