"""What the file means for those who can reach the bridge over the network.

Invariant: as in checks.py, data may have any shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from bridge.config.document import Document
from bridge.config.faults import Fault
from bridge.config.values import is_loopback, parse_size

_CREDENTIALS = ("tokens", "basic_auth", "hmac_secret")


def check_limits(document: Document, limits: dict[str, Any]) -> None:
    """One body must fit into the room for all."""
    body, buffered = _size(limits.get("body", "32MiB")), _size(limits.get("buffered"))
    if body and buffered and buffered < body:
        hint = "let it be at least a quarter larger, or leave it out"
        document.fault(("limits", "buffered"), "is smaller than limits.body, so the largest body has no room", hint)


def exposed(document: Document, data: dict[str, Any]) -> Iterator[Fault]:
    """An `external_url` means that others come, through a proxy whose connections are loopback ones, too."""
    host = _host(data.get("external_url"))
    if host is None or is_loopback(host):
        return
    web, sources = data.get("web"), data.get("sources")
    if not (isinstance(web, dict) and web.get("users")):
        message = f"others reach the bridge at {host}, and no login is asked for"
        hint = "add web.users (`bridge hash-password`): behind a proxy that adds no X-Forwarded-For, all look local"
        yield document.place(("external_url",), message, hint)
    every = sources if isinstance(sources, list) else []
    if not any(each.get(key) for each in every if isinstance(each, dict) for key in _CREDENTIALS):
        message = f"others reach the bridge at {host}, and no source has a credential"
        hint = 'add sources: [{name: prod, tokens: ["${ALERTMANAGER_TOKEN}"]}], or anybody may be able to send alerts'
        yield document.place(("external_url",), message, hint)


def _size(text: object) -> int | None:
    try:
        return parse_size(text) if text is not None else None
    except ValueError:
        return None


def _host(url: object) -> str | None:
    try:
        return urlsplit(str(url)).hostname if url else None
    except ValueError:
        return None
