"""Recorded payloads of Google, and what is parsed from them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import pytest

from bridge.core.errors import InvalidPayload
from bridge.core.model import Alert, Group
from bridge.sources.cloud_monitoring import parse

PAYLOADS = Path(__file__).parent / "payloads"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STARTED = datetime(2026, 11, 23, 8, 35, tzinfo=UTC)


class Notification(TypedDict):
    version: object
    incident: dict[str, object]


def payload(name: str) -> Notification:
    whole: Notification = json.loads((PAYLOADS / f"cloud_monitoring_{name}.json").read_text())
    return whole


def read(name: str = "open", now: datetime = NOW, **changes: object) -> Group:
    """With some of the incident's fields changed; ... removes one."""
    whole = payload(name)
    whole["incident"] |= changes
    whole["incident"] = {key: value for key, value in whole["incident"].items() if value is not ...}
    return parse(json.dumps(whole).encode(), "gcp", now)


def alert(name: str = "open", **changes: object) -> Alert:
    return read(name, NOW, **changes).alerts[0]


def fault(data: bytes) -> InvalidPayload:
    with pytest.raises(InvalidPayload) as caught:
        parse(data, "gcp", NOW)
    return caught.value
