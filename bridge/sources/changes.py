"""Parses a change event that a deployment job or a model server posts.

Invariant: pure; any bytes give a ChangeEvent or InvalidPayload, and nothing else. Every text becomes one clean line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.core.changes import plain_id, sent_id, summary_of
from bridge.core.errors import InvalidPayload
from bridge.core.facts import ChangeEvent
from bridge.rendering.links import safe_href
from bridge.rendering.text import cut, one_line
from bridge.sources.reading import read_json, shown, text, texts, time

KIND = re.compile(r"[a-z][a-z0-9_-]{0,31}")
SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)
MAX_NAME = 200  #: characters of a service, version, id, label's name
MAX_VALUE = 500  #: of a label's value
MAX_SUMMARY = 1000
MAX_LABELS = 50
AHEAD = timedelta(days=1)  #: tolerates wrong clocks and time zones


def parse(body: bytes, source: str, now: datetime) -> ChangeEvent:
    """Raises InvalidPayload, which names the field. Unknown fields are ignored."""
    document = read_json(body)
    if not isinstance(document, dict):
        raise InvalidPayload(
            "", f'must be a change, like {{"kind": "deploy", "service": ...}}, but is {shown(document)}'
        )
    kind, service = _kind(document), _required_name(document, "service")
    version, previous = _name(document, "version"), _name(document, "previous")
    change = ChangeEvent(
        kind=kind,
        service=service,
        at=_at(document, now),
        summary=_prose(document, "summary", MAX_SUMMARY) or summary_of(kind, service, version, previous),
        version=version,
        previous=previous,
        by=_prose(document, "by", MAX_NAME),
        link=_link(document),
        labels=_labels(document),
        source=source,
    )
    given = _name(document, "id")
    return replace(change, id=sent_id(source, given) if given else plain_id(change))


def _kind(document: Mapping[str, Any]) -> str:
    word = one_line(text(document, "kind", "")).lower()
    if not KIND.fullmatch(word):
        what = "deploy, rollback, retraining, config, or your own word (lower-case letters, digits, - and _)"
        raise InvalidPayload("kind", f"must be {what}, but is {shown(document.get('kind'))}")
    return word


def _required_name(document: Mapping[str, Any], name: str) -> str:
    found = _name(document, name)
    if not found:
        raise InvalidPayload(name, "is missing: give the value that your alerts have in their service or job label")
    return found


def _name(document: Mapping[str, Any], name: str) -> str:
    """Identifiers are refused when too long, rather than truncated, for they are compared."""
    found = one_line(text(document, name, ""))
    if len(found) > MAX_NAME:
        raise InvalidPayload(name, f"must have at most {MAX_NAME} characters, but has {len(found)}")
    return found


def _prose(document: Mapping[str, Any], name: str, limit: int) -> str:
    return cut(one_line(text(document, name, "")), limit)


def _at(document: Mapping[str, Any], now: datetime) -> datetime:
    value = document.get("at")
    moment = _from_epoch(value) if _is_epoch(value) else time(document, "at", "")
    if moment is not None and moment > now + AHEAD:
        raise InvalidPayload("at", f"is more than a day in the future: {shown(value)}; give seconds, not milliseconds")
    return now if moment is None else moment


def _is_epoch(value: object) -> bool:
    return type(value) in (int, float) or (isinstance(value, str) and SECONDS.fullmatch(value) is not None)


def _from_epoch(value: Any) -> datetime:
    """Seconds since 1970, also as text: a shell quotes what `date +%s` prints."""
    try:
        seconds = float(value)
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        wanted = "must be seconds since 1970 (not milliseconds)"
        raise InvalidPayload("at", f'{wanted} or a time like "2026-11-23T08:34:20Z", but is {shown(value)}') from None


def _link(document: Mapping[str, Any]) -> str:
    given = text(document, "link", "").strip()
    href = safe_href(given) if given else ""
    if href is None:
        wanted = "must be an http or https URL of at most 2000 characters without a name or password in it"
        raise InvalidPayload("link", f"{wanted}, but is {shown(given)}")
    return href


def _labels(document: Mapping[str, Any]) -> dict[str, str]:
    """`model` may also be a field of its own, as the model server posts it."""
    model = _name(document, "model")
    labels = ({"model": model} if model else {}) | texts(document, "labels", "")
    if len(labels) > MAX_LABELS:
        raise InvalidPayload("labels", f"must be at most {MAX_LABELS}, but are {len(labels)}")
    return dict(_label(name, value) for name, value in labels.items())


def _label(name: str, value: str) -> tuple[str, str]:
    name, value = one_line(name), one_line(value)
    if not name or len(name) > MAX_NAME:
        raise InvalidPayload("labels", f"a label's name must have 1 to {MAX_NAME} characters, but one is {shown(name)}")
    if len(value) > MAX_VALUE:
        raise InvalidPayload(f"labels.{name}", f"must have at most {MAX_VALUE} characters, but has {len(value)}")
    return name, value
