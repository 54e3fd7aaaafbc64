"""How a delivery is, in words for pages, the API and commands. Pure."""

from __future__ import annotations

from bridge.core.delivery.delivery import ENDED, Delivery


def status_of(delivery: Delivery, *, digest: int | None = None, trouble: str = "") -> tuple[str, str]:
    """One of delivered, skipped, pending, sending, held and dead; and why, or what happens next.

    digest: the number of the incident that stands for it while a storm suppresses it. trouble: why its channel fails.
    """
    if delivery.dead:
        return "dead", "cannot be delivered as it is; mend the cause, then replay it"
    if not delivery.pending:
        return ("delivered", "") if delivery.sent else ("skipped", ENDED)
    if delivery.lease is not None:
        return "sending", "a worker has it"
    if delivery.muted_by:
        return "held", f"muted by {delivery.muted_by}"
    if digest is not None:
        return "held", f"suppressed by the storm on {delivery.target.channel}, reported in #{digest}"
    return "pending", _next(delivery, trouble)


def _next(pending: Delivery, trouble: str) -> str:
    if pending.alone:
        return f"it fails alone: others of {pending.target.channel} got through since it was tried"
    if trouble:
        return f"the channel waits: {trouble}"
    return "it is tried again" if pending.failed_at is not None else "waits to be sent"
