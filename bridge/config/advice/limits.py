"""Numbers that are allowed, and hardly meant; and links that lead nowhere for who reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from bridge.config.advice.notes import Notes
from bridge.config.checks import mapping
from bridge.config.values import is_loopback, parse_duration, parse_size

_DAY = timedelta(days=1)
_SMALL = 2**20  #: about 1,000 alerts


def look(notes: Notes) -> None:
    retention = _duration(notes.data.get("retention"))
    if retention is not None and retention < _DAY:
        hint = "90d keeps a quarter of a year; d is days, m minutes"
        notes.warn(("retention",), "closed incidents are deleted within a day", hint)
    body = _size(mapping(notes.data.get("limits")).get("body"))
    if body is not None and body < _SMALL:
        message = "a webhook of a thousand alerts is larger: it would be refused, and that storm lost"
        notes.warn(("limits", "body"), message, "leave it out, or write 32MiB")
    _links(notes)


def _links(notes: Notes) -> None:
    url = notes.data.get("external_url")
    real = [name for _, name, channel in notes.channels() if _is_real(channel)]
    if real and isinstance(url, str) and _is_local(url):
        message = f"links in messages of {', '.join(real)} lead to this machine only"
        notes.warn(("external_url",), message, "write the address at which responders reach the bridge")


def _is_real(channel: dict[str, Any]) -> bool:
    kind, url = channel.get("type"), channel.get("base_url")
    return kind in ("pagerduty", "slack") and not (isinstance(url, str) and _is_local(url))


def _is_local(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _duration(value: Any) -> timedelta | None:
    try:
        return None if value is None else parse_duration(value)
    except ValueError:
        return None


def _size(value: Any) -> int | None:
    try:
        return None if value is None else parse_size(value)
    except ValueError:
        return None
