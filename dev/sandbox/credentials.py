"""Random, well-formed credentials for a run on this machine; printed, never written to a file here."""

import base64
import hashlib
import re
import secrets

ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
SLACK_TOKEN = re.compile(r"xoxb-[A-Za-z0-9-]{8,}")


def fresh_credentials() -> dict[str, str]:
    numbers = "-".join(str(secrets.randbelow(9 * 10**11) + 10**11) for _ in range(2))
    return {
        "PAGERDUTY_ROUTING_KEY": secrets.token_hex(16),
        "SLACK_BOT_TOKEN": f"xoxb-{numbers}-{secrets.token_hex(12)}",
        "ALERTMANAGER_TOKEN": secrets.token_urlsafe(32),
    }


def stable_id(letter: str, seed: str) -> str:
    """A Slack-like id (C0ABC...), the same for the same seed in every run."""
    digest = hashlib.sha256(f"{letter}:{seed}".encode()).digest()
    return letter + base64.b32encode(digest).decode()[:10]
