"""Reading untrusted JSON field by field; every fault is an InvalidPayload that names the field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from bridge.core.errors import InvalidPayload

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SURROGATE = re.compile("[\ud800-\udfff]")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
LARGEST_NUMBER = 2**31 - 1  # what every database's integer takes


def read_json(body: bytes) -> Any:
    """orjson is fast and strict; the standard library may still read what it refuses, such as invalid UTF-8."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _read_leniently(body)


def _read_leniently(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8-sig", "replace"))
    except RecursionError:
        raise InvalidPayload("", "is nested too deeply") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidPayload("", f"the body is not JSON: {error.msg} at {where}") from None
    except ValueError:  # the standard library refuses integers of more than 4,300 digits
        raise InvalidPayload("", "the body contains a number that is too long") from None


def clean(value: str) -> str:
    """Without control characters but newline and tab; surrogates become U+FFFD."""
    if value.isprintable():
        return value
    return SURROGATE.sub("\ufffd", CONTROL.sub("", value))


def readable(value: object) -> str:
    """For optional fields: a text or a number as clean text; empty for anything else."""
    if isinstance(value, str):
        return clean(value).strip()
    if type(value) is int:  # as an integer: float() fails for the largest
        return str(value)[:30]
    return f"{value:.6g}" if isinstance(value, float) and math.isfinite(value) else ""


def text(thing: Mapping[str, Any], name: str, path: str) -> str:
    """Empty when it is missing or null."""
    value = thing.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidPayload(_join(path, name), f"must be text, but is {shown(value)}")
    return clean(value)


def texts(thing: Mapping[str, Any], name: str, path: str, required: bool = False) -> dict[str, str]:
    """A mapping of texts; empty if it is not required and missing or null."""
    value = thing.get(name)
    if value is None and not required:
        return {}
    if not isinstance(value, dict):
        raise InvalidPayload(_join(path, name), f"must be an object of texts, but is {shown(value)}")
    for key, each in value.items():
        if not isinstance(each, str):
            fault = f"must be text, but is {shown(each)}: put it in quotes"
            raise InvalidPayload(f"{_join(path, name)}.{clean(key)[:100]}", fault)
    return {clean(key): clean(each) for key, each in value.items()}


def whole_number(thing: Mapping[str, Any], name: str) -> int:
    """0 when it is missing or null."""
    value = thing.get(name)
    if value is None:
        return 0
    whole = int(value) if isinstance(value, float) and value.is_integer() else value  # 2.0 is 2 in JSON
    if type(whole) is not int or not 0 <= whole <= LARGEST_NUMBER:
        raise InvalidPayload(name, f"must be a whole number, 0 or more, but is {shown(value)}")
    return whole


def time(thing: Mapping[str, Any], name: str, path: str) -> datetime | None:
    """In UTC, truncated to microseconds. None when missing or Go's zero time."""
    value = thing.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        raise InvalidPayload(_join(path, name), f'must be a time like "2026-11-23T08:34:20Z", but is {shown(value)}')
    try:
        moment = datetime.fromisoformat(value.upper())
        return None if moment.year == 1 else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidPayload(_join(path, name), f"is not a valid time: {shown(value)}") from None


def shown(value: object) -> str:
    """A value for an error text, shortened: never all of what was sent."""
    kinds = {dict: "an object", list: "a list", type(None): "missing or null", bool: "true or false"}
    if isinstance(value, str):
        return json.dumps(clean(value[:60]), ensure_ascii=False)
    return kinds.get(type(value), f"the number {str(value)[:30]}")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
