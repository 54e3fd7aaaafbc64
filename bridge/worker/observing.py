"""How attempts ended, in metrics and in the log.

One line for all that arrived at about the same time, and one for each that failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.core.ports import Claim, GiveUp, Outcome, RetryAt, Sent
from bridge.observability import logs
from bridge.observability.metrics import Metrics

log = logs.get("worker")
MOST_NUMBERS = 50  #: of incidents in one line


@dataclass(frozen=True, slots=True)
class Ended:
    """One attempt. at: when it ended."""

    claim: Claim
    outcome: Outcome
    at: datetime

    @property
    def seconds(self) -> float:
        """Since the oldest change that it shows was accepted."""
        return max(0.0, (self.at - self.claim.wanted_at).total_seconds())


def observe(metrics: Metrics, ended: Sequence[Ended]) -> None:
    """Several at a time, as each line costs as much as a statement."""
    sent = [each for each in ended if isinstance(each.outcome, Sent)]
    for channel in {each.claim.target.channel for each in sent}:
        mine = [each for each in sent if each.claim.target.channel == channel]
        arrived = [each.seconds for each in mine if not _is_skipped(each)]
        metrics.sent(channel, arrived, skipped=len(mine) - len(arrived))
    if sent:
        _log_delivered(sent)
    for each in ended:
        _observe_failed(metrics, each.claim, each.outcome)


def _is_skipped(ended: Ended) -> bool:
    return isinstance(ended.outcome, Sent) and ended.outcome.skipped


def _log_delivered(sent: Sequence[Ended]) -> None:
    numbers = sorted({each.claim.incident_number for each in sent})
    log.info(
        "delivered",
        incidents=numbers[:MOST_NUMBERS],
        deliveries=len(sent),
        channels=dict(Counter(each.claim.target.channel for each in sent)),
        seconds=round(max(each.seconds for each in sent), 3),
    )
    for each in sent:
        channel, number = each.claim.target.channel, each.claim.incident_number
        log.debug("delivery_ended", incident=number, channel=channel, seconds=round(each.seconds, 3))


def _observe_failed(metrics: Metrics, claim: Claim, outcome: Outcome) -> None:
    channel, number = claim.target.channel, claim.incident_number
    match outcome:
        case RetryAt():
            metrics.failed(channel, outcome.reason.value)
            log.warning("delivery_failed", incident=number, channel=channel, why=outcome.detail)
        case GiveUp():
            metrics.dead(channel, outcome.reason.value)
            log.error("dead_letter", incident=number, channel=channel, why=outcome.detail)
