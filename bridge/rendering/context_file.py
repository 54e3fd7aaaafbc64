"""A Context as JSON, for storing it and for previews: the fields of bridge.core.facts under their names.

Times are RFC 3339, or left out for now; every fault names its field and what is expected there.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, to_json

from bridge.core.facts import Context

Where = tuple[int | str, ...]
_NUMBER = "a number"
_EXPECTED: Final = {
    "dataclass_type": "an object", "dict_type": "an object", "tuple_type": "a list", "string_type": "text",
    "float_type": _NUMBER, "time_delta_type": _NUMBER, "time_delta_parsing": _NUMBER, "bool_type": "true or false",
    "datetime_type": "a time such as 2026-01-02T03:04:05Z",
}  # fmt: skip


class ContextFault(ValueError):
    """`facts[0].unit: 'percent' is not one of ratio, seconds, ...`"""


class _File(BaseModel):
    """The core's plain dataclasses are read under this configuration."""

    model_config = ConfigDict(extra="forbid", strict=True)

    whole: Context


def context_of(text: bytes | str, now: datetime) -> Context:
    """Raises ContextFault."""
    try:
        document = _prepared(json.loads(text))
    except ValueError as error:
        raise ContextFault(f"this is not JSON: {error}") from None
    try:
        return _read(document)
    except ValidationError as fault:
        _complete(document, fault.errors(), now)
    try:
        return _read(document)
    except ValidationError as fault:
        raise ContextFault(_said(min(fault.errors(), key=_order))) from None


def written(context: Context) -> str:
    """The text that context_of reads; times are RFC 3339, durations seconds."""
    return to_json(context, timedelta_mode="float").decode()


def _read(document: Any) -> Context:
    return _File.model_validate_json(json.dumps({"whole": document})).whole


def _prepared(value: Any) -> Any:
    """Durations as ISO 8601, which strict reading wants, and times in UTC; labels are text and stay as they are."""
    if isinstance(value, list):
        return [_prepared(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: each if name == "labels" else _prepared(each) for name, each in value.items()}
    for name in ("took", "window"):
        if isinstance(found.get(name), int | float) and not isinstance(found[name], bool):
            found[name] = f"PT{found[name]:f}S"
    if isinstance(found.get("at"), str):
        with contextlib.suppress(ValueError, OverflowError):
            at = datetime.fromisoformat(found["at"])
            found["at"] = (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
    return found


def _complete(document: Any, faults: list[ErrorDetails], now: datetime) -> None:
    """Puts in what may be left out although the core wants it: a time is now, and a fact may have parts alone."""
    given = document.get("facts") if isinstance(document, dict) else None
    facts = {f"facts[{index}]" for index in range(len(given))} if isinstance(given, list) else set()
    for fault in faults:
        *place, name = fault["loc"][1:] or ("",)
        if fault["type"] != "missing" or (name != "at" and _path(tuple(place)) not in facts):
            continue
        found = functools.reduce(lambda inside, step: inside[step], place, document)
        if name in ("at", "value"):
            found[name] = now.isoformat() if name == "at" else None


def _order(fault: ErrorDetails) -> int:
    """An unknown name first, for it explains what is missing."""
    return {"unexpected_keyword_argument": 0, "missing": 2}.get(fault["type"], 1)


def _said(fault: ErrorDetails) -> str:
    place, kind, value = fault["loc"][1:], fault["type"], fault.get("input")
    where = _path(place) or "the whole"
    if kind == "unexpected_keyword_argument":
        return f"{where}: there is no such field; there are {', '.join(_known(place[:-1]))}"
    if kind == "missing":
        return f"{where}: is missing"
    if kind == "enum":
        words = fault["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return f"{where}: {value!r} is not one of {words}"
    if kind in ("datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"):
        return f"{where}: {value!r} is not a time such as 2026-01-02T03:04:05Z"
    if kind in _EXPECTED:
        return f"{where}: must be {_EXPECTED[kind]}, but is {json.dumps(value)[:60]}"
    return f"{where}: {fault['msg']}"


def _path(place: Where) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


def _known(place: Where) -> list[str]:
    """The names of the fields of the object at a place."""
    kind: Any = Context
    for step in place:
        if isinstance(step, str):
            kind = next(_dataclasses_in(get_type_hints(kind)[step]), kind)
    return [field.name for field in fields(kind)]


def _dataclasses_in(hint: Any) -> Iterator[Any]:
    if is_dataclass(hint):
        yield hint
    for inner in get_args(hint):
        yield from _dataclasses_in(inner)
