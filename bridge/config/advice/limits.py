"""Numbers that are allowed but hardly meant, and links that do not work for the reader."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from bridge.config.advice.notes import Notes
from bridge.config.checks import mapping, sequence
from bridge.config.values import Rate, is_loopback, parse_duration, parse_rate, parse_size

_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)
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
    _times(notes)
    _links(notes)


def _times(notes: Notes) -> None:
    """Of what a page waits for, and of what must not be asked too often."""
    for path, _, channel in notes.channels():
        timeout, rate = _duration(channel.get("timeout")), _rate(channel.get("rate"))
        if timeout is not None and timeout < _SECOND:
            notes.warn((*path, "timeout"), "no vendor answers in so short a time", "leave it out, or write 10s")
        if rate is not None and rate.per_second < 1 / 60:
            message = "a message may wait for minutes because of the one before it, a page too"
            notes.warn((*path, "rate"), message, "leave it out: the default is what the vendor takes")
    budget = _duration(mapping(notes.data.get("context")).get("budget"))
    if budget is not None and budget > 10 * _SECOND:
        message = "every first message of an incident may wait so long for facts, a page too"
        notes.warn(("context", "budget"), message, "write 1.5s; what is late is said to be missing")
    for index, entry in enumerate(sequence(notes.data.get("heartbeats"))):
        every = _duration(mapping(entry).get("every"))
        if every is not None and every < 60 * _SECOND:
            message = "Alertmanager repeats an alert once a minute at most as it is set up: this would be missing often"
            notes.warn(("heartbeats", index, "every"), message, "write 5m, with its repeat_interval below that")


def _links(notes: Notes) -> None:
    url = notes.data.get("external_url")
    real = [name for _, name, channel in notes.channels() if _is_real(notes, channel)]
    if real and isinstance(url, str) and _is_local(url):
        message = f"links in messages of {', '.join(real)} lead to this machine only"
        notes.warn(("external_url",), message, "write the address at which responders reach the bridge")


def _is_real(notes: Notes, channel: dict[str, Any]) -> bool:
    """Its messages leave this machine, as far as its address shows."""
    key = next((each.address for each in notes.types if each.word() == channel.get("type")), "")
    url = channel.get(key)
    return bool(key) and not (isinstance(url, str) and _is_local(url))


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


def _rate(value: Any) -> Rate | None:
    try:
        return None if value is None else parse_rate(value)
    except ValueError:
        return None


def _size(value: Any) -> int | None:
    try:
        return None if value is None else parse_size(value)
    except ValueError:
        return None
