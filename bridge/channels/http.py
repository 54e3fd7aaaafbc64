"""What the two HTTP vendors share: reading Retry-After, and how much of an answer is read at all."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = 3600.0  # a vendor's slip must not silence a channel for a day

MAX_ANSWER = 4 * 1024 * 1024  # bytes; a hundred of Slack's largest messages are less
OVERSIZED = f"an answer of more than {MAX_ANSWER // 2**20} MiB"


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
