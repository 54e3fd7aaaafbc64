"""What is kept of a message that a vendor refused, so that a responder can see what was wrong with it.

Invariant: no secret is kept, not even one that came in with an alert.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bridge.core.ports import GiveUp


def kept(given_up: GiveUp, content: Any, redact: Callable[[str], str]) -> GiveUp:
    """content: what was composed; empty when it did not come to that."""
    return GiveUp(given_up.reason, redact(given_up.detail), refused=redact(_as_text(content)))


def _as_text(content: Any) -> str:
    """A mail as it is, anything else as JSON, which it was on its way to the vendor."""
    if isinstance(content, bytes):
        return content.decode(errors="replace")
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=str)
