"""Whose fault a failure is: one delivery's own, or the vendor's. And what may be tried while a vendor fails. Pure.

Invariant: a vendor is taken to fail only while different incidents fail and nothing gets through. A delivery that fails
while others get through delays nothing but itself. See docs/decisions/0016-whose-fault-is-a-failure.md
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.core.errors import Reason

#: Seconds: of one delivery's tries, and of a vendor's probes. The cap bounds how long after a vendor's recovery the
#: backlog begins to drain.
FIRST, CAP = 0.5, 8.0
LONGEST = 120.0  #: between two tries of what fails alone
#: What one message, one recipient or the whole vendor may be the cause of: something between us and the vendor may
#: refuse one body with 403 or 429 for ever.
MAY_BE_ITS_OWN = frozenset({Reason.NETWORK, Reason.SERVER, Reason.RATE_LIMITED, Reason.CREDENTIAL})
EVIDENCE = 2  #: of so many incidents a message fails, never alone, and nothing gets through: the vendor fails
PROBES_PER_SECOND = 2.0  #: at most, while it does
IN_A_PAUSE = 0.2  #: a second, of what is critical and was not tried yet: too few to matter to a vendor that limits us
SHORT_PAUSE = timedelta(seconds=1 / IN_A_PAUSE)  #: all wait for the end of what is left of one
UNKNOWN = 10  #: so many tries that may have arrived are enough to find out with, but for what is critical
LAST_FROM = 2  #: failed alone so often, a delivery waits for all others; once happens to anything
STUCK_FROM = 5  #: failed alone so often, it is as good as refused: a fallback need not wait


def backoff(attempts: int, alone: int = 0) -> float:
    """Seconds: 0.5, 1, 2, 4, 8, 8, ...; on to 120 for what fails alone."""
    longest = LONGEST if alone else CAP
    return float(min(longest, FIRST * 2.0 ** min(attempts, 10)))


def fails_alone(succeeded_at: datetime | None, failed_at: datetime | None, began_at: datetime) -> bool:
    """Others of its channel got through since the try before this one began, or else since this one did."""
    return succeeded_at is not None and succeeded_at > (failed_at or began_at)


def is_the_vendor(incidents: int) -> bool:
    """incidents: how many different ones have a message that failed since anything got through, and never alone."""
    return incidents >= EVIDENCE


@dataclass(frozen=True, slots=True)
class Probing:
    """What may be tried while the vendor fails: the one that was tried least often, of these.

    What is critical and was not tried yet always may: only a try distinguishes a vendor that fails for all from one
    that fails for what was tried so far.
    """

    again: bool  #: what failed before
    fresh: bool  #: what was not tried yet, whatever its severity
    newest: bool  #: of equals the newest, not the oldest: so that neither a row nor a stream of what fails hides others


def probing(*, again: bool, unknown: int, chance: float) -> Probing:
    """again: the distance from the last probe is kept. unknown: how many tries there are that may have arrived.

    When these are many, the next one is taken from them mostly: a target that an unknown try may have reached must be
    notified of the end, and no storm's digest can stand for it. chance: in [0, 1).
    """
    toss = int(chance * 16)
    fresh = unknown < UNKNOWN or (again and toss >> 1 == 0)
    return Probing(again, fresh, newest=bool(toss & 1))


def probing_in_a_pause(chance: float) -> Probing:
    """A vendor that limits or locks out all, and one that refuses a single message in these words, look alike."""
    return Probing(again=False, fresh=False, newest=chance < 0.5)


def spacing(attempts: int, unknown: int) -> timedelta | None:
    """From the probe of what was tried so often to that of the next one that failed before; None: as it was.

    What was tried less often is probed first, so all are tried at this distance before any is at a longer one.
    """
    if attempts:
        return timedelta(seconds=backoff(attempts))
    return timedelta(seconds=CAP) if unknown >= UNKNOWN else None


def pace(per_second: float | None, burst: int, *, failing: bool, paused: bool) -> tuple[float | None, int]:
    """How many sends a second, and at once; None is unlimited."""
    if paused:
        return min(per_second or IN_A_PAUSE, IN_A_PAUSE), 1
    if not failing:
        return per_second, burst
    return min(per_second or PROBES_PER_SECOND, PROBES_PER_SECOND), 1


def room_for_doubtful(concurrency: int) -> int:
    """How many of the sends under way may be in doubt: each may hang until its timeout, and others must pass it."""
    return max(1, concurrency // 2)


def urgency(*, rank: int, doubtful: bool, alone: int, chance: float) -> tuple[int, ...]:
    """The smaller the sooner, while the channel works. chance: in [0, 1), the same for all that is compared.

    Of one severity what is in doubt comes last. Before what is less severe it comes first every other time: neither may
    shut the other out, where there is less room than both want.
    """
    last = doubtful and (alone >= LAST_FROM or chance < 0.5)
    return int(last), rank, int(doubtful), alone
