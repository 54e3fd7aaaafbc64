"""Google's payloads as they were recorded, and what is read of them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.core.errors import InvalidPayload
from bridge.sources.cloud_monitoring import parse

PAYLOADS = Path(__file__).parent / "payloads"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STARTED = datetime(2026, 11, 23, 8, 35, tzinfo=UTC)


def payload(name):
    return json.loads((PAYLOADS / f"cloud_monitoring_{name}.json").read_text())


def read(name="open", now=NOW, **changes):
    """With some of the incident's fields changed; ... takes one away."""
    whole = payload(name)
    whole["incident"] |= changes
    whole["incident"] = {key: value for key, value in whole["incident"].items() if value is not ...}
    return parse(json.dumps(whole).encode(), "gcp", now)


def alert(*given, **changes):
    return read(*given, **changes).alerts[0]


def fault(data):
    with pytest.raises(InvalidPayload) as caught:
        parse(data, "gcp", NOW)
    return caught.value
