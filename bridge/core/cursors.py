"""Pagination cursors: the sort key of the last item seen, as text. Pure.

Invariant: whatever the text, the key read back has the requested types and is a value that every database accepts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from urllib.parse import quote, unquote

LARGEST = 2**31 - 1  #: what every database's integer takes
LONGEST = 2000  #: characters of a cursor; a recipient may be long
T = TypeVar("T")
Key = int | str | datetime
_NUMBER = re.compile(r"-?\d{1,20}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(microseconds=1)


class BadCursor(ValueError):
    """The text is not a cursor of this kind of list."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list."""

    items: tuple[T, ...]
    total: int  #: of the whole list
    before: int = 0  #: items before this page
    next: str | None = None  #: the cursor of the next page; None: this is the last


def cursor_of(kind: str, *key: Key) -> str:
    """`open:4:123`. kind: which list it is, a word."""
    return ":".join([kind, *(_written(each) for each in key)])


def kind_of(cursor: str) -> str:
    return cursor.partition(":")[0]


def key_in(cursor: str, kind: str, *types: type[Key]) -> tuple[Key, ...]:
    """Raises BadCursor."""
    found = cursor[:LONGEST].split(":")
    if found[0] != kind or len(found) != len(types) + 1 or len(cursor) > LONGEST:
        raise BadCursor
    return tuple(_read(wanted, each) for wanted, each in zip(types, found[1:], strict=True))


def _written(key: Key) -> str:
    if isinstance(key, datetime):
        return str((key - _EPOCH) // _STEP)
    return quote(key, safe="@") if isinstance(key, str) else str(key)


def _read(wanted: type[Key], text: str) -> Key:
    if wanted is str:
        return _text(text)
    if not _NUMBER.fullmatch(text):
        raise BadCursor
    if wanted is datetime:
        return _time(int(text))
    if abs(int(text)) > LARGEST:
        raise BadCursor
    return int(text)


def _text(quoted: str) -> str:
    try:
        text = unquote(quoted, errors="strict")
        text.encode()
    except UnicodeError:
        raise BadCursor from None
    if "\0" in text:
        raise BadCursor
    return text


def _time(microseconds: int) -> datetime:
    try:
        return _EPOCH + _STEP * microseconds
    except OverflowError:
        raise BadCursor from None
