"""What the HTTP vendors share: what no answer means, and reading Retry-After."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bridge.core.errors import Reason, SendError
from bridge.outbound.http import MAX_ANSWER, CallFailed, Oversized

__all__ = ["MAX_ANSWER", "MAX_RETRY_AFTER", "failed", "retry_after_seconds"]

MAX_RETRY_AFTER = 3600.0  # a vendor's slip must not silence a channel for a day


def failed(call: CallFailed) -> SendError:
    """What was begun may have arrived; what was not is certain not to have."""
    reason = Reason.SERVER if isinstance(call, Oversized) else Reason.NETWORK
    return SendError(reason, call.detail, ambiguous=call.sent)


def retry_after_seconds(value: object, now: datetime | None = None) -> float | None:
    """Seconds or a date, as RFC 9110 section 10.2.3 allows; None when there is none that makes sense."""
    text = str(value or "").strip()
    try:
        seconds = float(text) if text.replace(".", "", 1).isdigit() else _until(text, now or datetime.now(UTC))
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _until(text: str, now: datetime) -> float:
    at = parsedate_to_datetime(text)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
