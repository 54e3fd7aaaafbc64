"""Secrets that are of another kind than the vendor takes. Nothing of their value is ever shown.

https://api.slack.com/concepts/token-types; routing keys: Events API v2, "should be 32 characters".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bridge.config.advice.notes import Notes, texts
from bridge.config.checks import mapping, sequence
from bridge.config.faults import Path
from bridge.config.secrets import secret_paths

_BOT = "make a bot token (xoxb-...) with chat:write, and invite the bot into the channel"
_INTEGRATION = "take the Integration Key of an Events API v2 integration of the service"
#: how a token begins -> whether it can never work, what it is
_SLACK = (
    ("xoxb-", False, ""),
    ("xapp-", True, "an app-level token, which cannot post"),
    ("xoxe-", True, "a refresh token, which cannot post"),
    ("xoxp-", False, "a user's token: messages come in that user's name, and end with the account"),
    ("xoxe.", False, "a token that ends after 12 hours: token rotation is on for this app"),
    ("xox", False, "no bot token"),
    ("", False, "no token of Slack's, which begin with xoxb-"),
)


def look(notes: Notes) -> None:
    for path, _, channel in notes.channels():
        if channel.get("type") == "slack":
            _look_at(notes, path, channel, "token", _BOT)
        elif channel.get("type") == "pagerduty":
            _look_at(notes, path, channel, "routing_key", _INTEGRATION)
    _quoted(notes)
    _shared_keys(notes)


def _look_at(notes: Notes, path: Path, channel: dict[str, Any], key: str, hint: str) -> None:
    secret, here = channel.get(key), (*path, key)
    if not isinstance(secret, str) or notes.is_faulty(here) or notes.is_faulty((*path, f"{key}_file")):
        return
    if re.match(r"(?i)https?://", secret):
        notes.fault(here, f"a URL is no {key}", f"webhooks' addresses are not used: {hint}")
    elif _in_quotes(secret):
        notes.fault(here, "there are quotes around the secret", "take them away where the variable is set")
    elif re.search(r"\s", secret):
        notes.fault(here, "there is a space in the secret", f"write the {key} alone, without a word such as Bearer")
    elif key == "token":
        _slack(notes, here, secret)
    else:
        _pagerduty(notes, here, channel, secret)


def _slack(notes: Notes, path: Path, token: str) -> None:
    never, what = next((never, what) for start, never, what in _SLACK if token.startswith(start))
    if what:
        (notes.fault if never else notes.warn)(path, f"this is {what}", _BOT)


def _pagerduty(notes: Notes, path: Path, channel: dict[str, Any], key: str) -> None:
    if len(key) != 32 or not key.isalnum():
        seen = f"{len(key)} characters" if len(key) != 32 else "characters that are neither letters nor digits"
        message = f"this is no routing key: it has {seen}, and PagerDuty's have 32 letters and digits"
        notes.warn(path, message, _INTEGRATION)
    elif key.startswith("R") and channel.get("change_events", True) not in (False, "false"):
        message = "a key of an orchestration (it begins with R) takes no change events, so none are sent"
        notes.warn(path, message, "write change_events: false, or take the key of a service's integration")


def _quoted(notes: Notes) -> None:
    """Of other secrets, such as passwords, quotes may be a part."""
    for path in secret_paths(notes.data):
        for here, secret in _texts_at(notes.data, path):
            if path[-1] not in ("token", "routing_key") and _in_quotes(secret):
                notes.warn(here, "there are quotes around the secret", "if they are no part of it, take them away")


def _shared_keys(notes: Notes) -> None:
    first: dict[str, str] = {}
    for path, name, channel in notes.channels():
        key = channel.get("routing_key")
        if isinstance(key, str) and channel.get("type") == "pagerduty" and first.setdefault(key, name) != name:
            message = f"the same key as {first[key]}: what one of them resolves is resolved for the other"
            notes.warn((*path, "routing_key"), message, "keep one channel, or make another integration")


def _in_quotes(secret: str) -> bool:
    return len(secret) > 1 and secret[0] == secret[-1] and secret[0] in "\"'`"


def _texts_at(data: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """The one text there, or those of the list."""
    for part in path:
        data = mapping(data).get(str(part)) if isinstance(part, str) else sequence(data)[part]
    if isinstance(data, str):
        yield path, data
    yield from texts(path, data)
