"""The webhook of Alertmanager 0.25 to 0.34 (version "4") as a Group.

Invariant: pure; any bytes give a Group or InvalidPayload, and nothing else. Texts are cleaned: no lone surrogates, no
control characters but newline and tab.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from bridge.core.errors import InvalidPayload
from bridge.core.model import Alert, Group, Status
from bridge.sources.reading import read_json, shown, text, texts, time, whole_number

STATUSES = {str(status): status for status in Status}
#: For Go's zero time: bridge.core.incidents.periods treats it as implausible, and uses the time of receipt instead.
UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)
FNV_OFFSET, FNV_PRIME, FNV_MASK = 14695981039346656037, 1099511628211, 2**64 - 1


def parse(body: bytes, source: str, distinct: bool = False) -> Group:
    """Raises InvalidPayload, which names the field. Unknown fields are ignored; labels keep their names."""
    document = read_json(body)
    if not isinstance(document, dict):
        raise InvalidPayload("", f"must be Alertmanager's webhook, a JSON object, but is {shown(document)}")
    _check_version(document)
    return Group(
        source=source,
        receiver=text(document, "receiver", ""),
        group_key=_group_key(document),
        group_labels=texts(document, "groupLabels", ""),
        alerts=read_alerts(document, read_alert),
        external_url=text(document, "externalURL", ""),
        truncated=whole_number(document, "truncatedAlerts"),
        reason=text(document, "notification_reason", "") or None,
        distinct=distinct,
    )


def _check_version(document: Mapping[str, Any]) -> None:
    version = document.get("version", "4")
    if version != "4":
        raise InvalidPayload(
            "version", f'must be "4", the only version that Alertmanager sends, but is {shown(version)}'
        )
    if document.get("status") is not None:
        _status(document, "")


def _group_key(document: Mapping[str, Any]) -> str:
    key = text(document, "groupKey", "")
    if not key:
        raise InvalidPayload("groupKey", "is missing; it identifies the group: is this Alertmanager's webhook?")
    return key


def read_alerts(document: Mapping[str, Any], read: Callable[[object, str], Alert]) -> tuple[Alert, ...]:
    """The alerts; of several with the same fingerprint the last counts. `read` takes an item and its path."""
    listed = document.get("alerts")
    if not isinstance(listed, list):
        raise InvalidPayload("alerts", f"must be a list of alerts, but is {shown(listed)}")
    alerts = (read(item, f"alerts[{index}]") for index, item in enumerate(listed))
    return tuple({alert.fingerprint: alert for alert in alerts}.values())


def read_alert(item: object, path: str) -> Alert:
    """Raises InvalidPayload, which names the field below `path`."""
    if not isinstance(item, dict):
        raise InvalidPayload(path, f"must be an object, but is {shown(item)}")
    status = _status(item, path)
    labels = texts(item, "labels", path, required=True)
    starts_at = time(item, "startsAt", path) or (UNKNOWN_START if item.get("startsAt") else None)
    if starts_at is None:
        raise InvalidPayload(f"{path}.startsAt", 'is missing; it must be a time like "2026-11-23T08:34:20Z"')
    ends_at = time(item, "endsAt", path)
    return Alert(
        fingerprint=_storable(text(item, "fingerprint", path)) or fingerprint_of(labels),
        status=status,
        labels=labels,
        annotations=texts(item, "annotations", path),
        starts_at=starts_at,
        ends_at=ends_at if status is Status.RESOLVED else None,  # of a firing alert it is only a timeout
        generator_url=text(item, "generatorURL", path),
    )


def _storable(fingerprint: str) -> str:
    """Alertmanager's have 16 characters. One longer than the store's 64 is replaced by its hash."""
    return fingerprint if len(fingerprint) <= 64 else hashlib.sha256(fingerprint.encode()).hexdigest()


def _status(thing: Mapping[str, Any], path: str) -> Status:
    word = thing.get("status")
    status = STATUSES.get(word) if isinstance(word, str) else None
    if status is None:
        field = f"{path}.status" if path else "status"
        raise InvalidPayload(field, f'must be "firing" or "resolved", but is {shown(word)}')
    return status


def fingerprint_of(labels: Mapping[str, str]) -> str:
    """As Alertmanager computes it (FNV-1a, 64 bits, of the sorted labels), for senders that leave it out."""
    total = FNV_OFFSET
    for name in sorted(labels):
        for byte in name.encode() + b"\xff" + labels[name].encode() + b"\xff":
            total = ((total ^ byte) * FNV_PRIME) & FNV_MASK
    return f"{total:016x}"
