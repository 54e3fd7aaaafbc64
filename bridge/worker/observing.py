"""How each attempt ended, in metrics and in one line of the log."""

from __future__ import annotations

from datetime import datetime

from bridge.core.ports import Claim, GiveUp, Outcome, RetryAt, Sent
from bridge.observability import logs
from bridge.observability.metrics import Metrics

log = logs.get("worker")


def observe(metrics: Metrics, claim: Claim, outcome: Outcome, now: datetime) -> None:
    channel, number = claim.target.channel, claim.incident_number
    match outcome:
        case Sent():
            latency = max(0.0, (now - claim.wanted_at).total_seconds())
            metrics.sent(channel, latency, skipped=outcome.skipped)
            log.info("delivered", incident=number, channel=channel, seconds=round(latency, 3))
        case RetryAt():
            metrics.failed(channel, outcome.reason.value)
            log.warning("delivery_failed", incident=number, channel=channel, why=outcome.detail)
        case GiveUp():
            metrics.dead(channel, outcome.reason.value)
            log.error("dead_letter", incident=number, channel=channel, why=outcome.detail)
