"""What the tests of advice share: a moment, and variables that a routes.yaml may name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY, BOT = "0123456789abcdef" * 2, "xoxb-1-2-abc"
GOOD = {"KEY": KEY, "BOT": BOT, "OTHER": "f" * 32}
