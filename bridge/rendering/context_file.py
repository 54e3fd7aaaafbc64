"""A Context as JSON, for storing it and for previews: the fields of bridge.core.facts under their names.

Times are RFC 3339, or left out for now; every fault names its field and what is expected there.
"""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args, get_origin, get_type_hints

from bridge.core.facts import Context

_OF_AN_END = frozenset({"after_end", "during", "peaks"})


class ContextFault(ValueError):
    """`facts[0].unit: 'percent' is not one of ratio, seconds, ...`"""


def context_of(text: bytes | str, now: datetime) -> Context:
    """Raises ContextFault."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ContextFault(f"this is not JSON: {error}") from None
    context: Context = _object(Context, value, "", now)
    return context


def written(context: Context) -> str:
    """The text that context_of reads; times are RFC 3339, durations seconds."""
    document = {name: value for name, value in asdict(context).items() if value or name not in _OF_AN_END}
    return json.dumps(document, default=_json, ensure_ascii=False)


def _json(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return dict(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _object(kind: type, value: Any, path: str, now: datetime) -> Any:
    if not isinstance(value, Mapping):
        raise ContextFault(f"{path or 'the whole'}: must be an object, but is {json.dumps(value)[:60]}")
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    for name in value:
        if name not in known:
            raise ContextFault(f"{_join(path, name)}: there is no such field; there are {', '.join(known)}")
    given = {name: _value(hints[name], each, _join(path, name), now) for name, each in value.items()}
    for name, field in known.items():
        if name not in given and field.default is MISSING and field.default_factory is MISSING:
            given[name] = _missing(hints[name], _join(path, name), now)
    return kind(**given)


def _missing(hint: Any, path: str, now: datetime) -> Any:
    if hint is datetime:
        return now
    if type(None) in get_args(hint):
        return None
    raise ContextFault(f"{path}: is missing")


def _value(hint: Any, value: Any, path: str, now: datetime) -> Any:
    if get_origin(hint) is types.UnionType:
        inner = next(each for each in get_args(hint) if each is not type(None))
        return None if value is None else _value(inner, value, path, now)
    if get_origin(hint) is tuple:
        items = _of(list, value, path, "a list")
        return tuple(_value(get_args(hint)[0], each, f"{path}[{index}]", now) for index, each in enumerate(items))
    if is_dataclass(hint) and isinstance(hint, type):
        return _object(hint, value, path, now)
    if get_origin(hint) is Mapping:
        return {
            key: _of(str, each, _join(path, key), "text") for key, each in _of(dict, value, path, "an object").items()
        }
    return _plain(hint, value, path)


def _plain(hint: Any, value: Any, path: str) -> Any:
    if issubclass(hint, enum.StrEnum):
        if value not in list(hint):
            raise ContextFault(f"{path}: {value!r} is not one of {', '.join(hint)}")
        return hint(value)
    if hint is bool:
        if not isinstance(value, bool):
            raise ContextFault(f"{path}: must be true or false, but is {json.dumps(value)[:60]}")
        return value
    if hint is datetime:
        return _time(value, path)
    if hint in (float, timedelta):
        number = _of((int, float), value, path, "a number")
        return float(number) if hint is float else timedelta(seconds=number)
    return _of(str, value, path, "text")


def _time(value: Any, path: str) -> datetime:
    written = _of(str, value, path, "a time such as 2026-01-02T03:04:05Z")
    try:
        at = datetime.fromisoformat(written)
    except ValueError as error:
        raise ContextFault(f"{path}: {value!r} is not a time such as 2026-01-02T03:04:05Z") from error
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _of(kind: Any, value: Any, path: str, what: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ContextFault(f"{path}: must be {what}, but is {json.dumps(value)[:60]}")
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
