"""Signed, expiring links to charts that need no login. Pure.

HMAC with SHA-256 (https://datatracker.ietf.org/doc/html/rfc2104) over a random name and the expiry time.
"""

from __future__ import annotations

import base64
import enum
import hmac
import re
from datetime import UTC, datetime

NAME = re.compile(r"[A-Za-z0-9_-]{16,64}")
_PURPOSE = b"incident-bridge picture 1"  # a signature must not be valid for another kind of link


class LinkCheck(enum.Enum):
    VALID = "valid"
    FORGED = "forged"  #: or damaged in transit
    EXPIRED = "expired"


def picture_path(name: str, expires_at: datetime, key: bytes) -> str:
    """`/pictures/NAME.png?expires=...&signature=...`; the same for the same arguments."""
    expires = str(int(expires_at.timestamp()))
    return f"/pictures/{name}.png?expires={expires}&signature={_signature(name, expires, key)}"


def link_check(name: str, expires: str, signature: str, key: bytes, now: datetime) -> LinkCheck:
    """Checks a link; the signature comes first, so a forged link never reads as expired."""
    expected = _signature(name, expires, key)
    if not NAME.fullmatch(name) or not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        return LinkCheck.FORGED
    return LinkCheck.EXPIRED if datetime.fromtimestamp(int(expires), UTC) <= now else LinkCheck.VALID


def _signature(name: str, expires: str, key: bytes) -> str:
    message = b"\x00".join((_PURPOSE, name.encode("utf-8", "replace"), expires.encode("utf-8", "replace")))
    return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")).decode().rstrip("=")
