"""Channels that send the same twice, or to nobody."""

from __future__ import annotations

import re
from typing import Any

from bridge.config.advice.notes import Notes, texts
from bridge.config.faults import Path
from bridge.config.values import is_loopback, parse_host_port
from bridge.core.network.mailboxes import parse_mailbox

_ID = re.compile(r"[CGDUW][A-Z0-9]{6,}")
#: RFC 2606: names that nobody has
_NOBODY = ("example", "example.com", "example.net", "example.org", "invalid", "test")


def look(notes: Notes) -> None:
    for path, _, channel in notes.channels():
        if channel.get("type") == "email":
            _recipients(notes, (*path, "to"), channel)
        elif channel.get("type") == "slack" and isinstance(channel.get("channel"), str):
            _slack_channel(notes, (*path, "channel"), channel["channel"])
    _same_target(notes)


def _slack_channel(notes: Notes, path: Path, text: str) -> None:
    """Slack's names have neither capitals nor spaces: https://slack.com/help/articles/201402297-Create-a-channel"""
    link = re.search(r"/archives/([CGD][A-Z0-9]{6,})", text)
    if link:
        notes.fault(path, "a link is no channel", f"write the id in it: {link[1]}")
    elif not _ID.fullmatch(text) and (text != text.lower() or re.search(r"[\s.,:/]", text) or len(text) > 81):
        hint = "write its id (C012ABCDEF): it is at the end of the channel's details in Slack"
        notes.fault(path, f"{text!r} is no name that Slack gives a channel", hint)


def _recipients(notes: Notes, path: Path, channel: dict[str, Any]) -> None:
    first: dict[str, Path] = {}
    for here, text in texts(path, channel.get("to")):
        address = _address(text)
        if first.setdefault(address.casefold(), here) != here:
            notes.warn(here, f"{address} is there already", "one mail is enough: remove one of the two")
        elif _leads_nowhere(address.casefold()) and _is_real(channel.get("smarthost")):
            notes.warn(here, f"nobody reads mail to {address}", "write the team's own address")


def _address(text: str) -> str:
    """As it is written when it is none, which is a fault of its own."""
    try:
        return parse_mailbox(text).address
    except ValueError:
        return text


def _leads_nowhere(address: str) -> bool:
    host = address.rpartition("@")[2]
    return any(host == name or host.endswith(f".{name}") for name in _NOBODY)


def _is_real(smarthost: Any) -> bool:
    """A stand-in for tests runs on this machine, or has such a name itself."""
    try:
        host = parse_host_port(str(smarthost))[0]
    except ValueError:
        return False
    return not is_loopback(host) and not _leads_nowhere(host)


def _same_target(notes: Notes) -> None:
    first: dict[tuple[str, ...], str] = {}
    for path, name, channel in notes.channels():
        if channel.get("type") != "slack" or not isinstance(channel.get("channel"), str):
            continue
        target = (str(channel.get("token")), channel["channel"].lstrip("#"), str(channel.get("base_url")))
        if first.setdefault(target, name) != name:
            message = f"the same place in Slack as {first[target]}: whoever is in it reads everything twice"
            notes.warn((*path, "channel"), message, "keep one of the two channels")
