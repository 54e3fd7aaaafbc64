"""What follows a failed send: the one owner of retries. Pure: time and jitter are arguments.

Invariant: what may work later is tried for ever; what can never work becomes a dead letter at once and says why. Only
what concerns the whole channel pauses it; bridge.core.delivery.failures judges whose fault anything else is.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from bridge.core.delivery.failures import backoff
from bridge.core.errors import Reason, SendError
from bridge.core.ports import GiveUp, Outcome, RetryAt

#: Seconds. Without Retry-After. PagerDuty advises three tries 30 s apart; Slack always names its time.
RATE_LIMIT = 30.0
#: A refused credential needs a person; a configuration reload ends the pause at once.
CREDENTIAL = 60.0
PAUSE_CAP = 900.0


class Tried(Protocol):
    """What must be known of a delivery: a Claim, or a ChangeClaim."""

    @property
    def attempts(self) -> int: ...

    @property
    def alone(self) -> int: ...

    @property
    def shrink(self) -> bool: ...


def decide(error: SendError, claim: Tried, now: datetime, jitter: float) -> Outcome:
    """jitter is in [0, 1): waits vary by a quarter, so that many workers do not knock at the same time."""
    match error.reason:
        case Reason.NETWORK | Reason.SERVER:
            wait = backoff(claim.attempts, claim.alone) * (0.75 + jitter / 4)
            return _later(error, now, wait, pause=False)
        case Reason.RATE_LIMITED:
            wait = RATE_LIMIT if error.retry_after is None else min(error.retry_after, PAUSE_CAP)
            return _later(error, now, max(wait, 0.1) * (1 + jitter / 10), pause=True)
        case Reason.CREDENTIAL:
            return _later(error, now, CREDENTIAL, pause=True)
        case Reason.PAYLOAD if not claim.shrink:
            return _later(error, now, 0.0, pause=False, shrink=True)
        case Reason.BUG if not claim.shrink:
            return _later(error, now, 0.0, pause=False, shrink=True)
        case _:
            return GiveUp(error.reason, error.detail)


def _later(error: SendError, now: datetime, seconds: float, *, pause: bool, shrink: bool = False) -> RetryAt:
    at = now + timedelta(seconds=seconds)
    return RetryAt(
        at=at,
        reason=error.reason,
        detail=error.detail,
        ambiguous=error.ambiguous,
        pause_until=at if pause else None,
        shrink=shrink,
        progress=error.progress,
    )
