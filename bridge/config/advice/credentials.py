"""Secrets that are hardly what was meant. Nothing of their value is ever shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bridge.config.advice.notes import Notes, texts
from bridge.config.checks import mapping, sequence
from bridge.config.faults import Path
from bridge.config.secrets import secret_paths
from bridge.config.settings import file_model


def look(notes: Notes) -> None:
    """Of other secrets, such as passwords, quotes may be a part."""
    for path in sorted(secret_paths(notes.data, file_model(notes.types)), key=str):
        for here, secret in _texts_at(notes.data, path):
            if path[-1] not in ("token", "routing_key") and _in_quotes(secret):
                notes.warn(here, "there are quotes around the secret", "if they are no part of it, take them away")


def misplaced(notes: Notes, path: Path, secret: str, hint: str) -> bool:
    """Whether something else stands where a vendor's key should, which is then said, or was. hint: where to get one."""
    key = str(path[-1])
    if notes.is_faulty(path) or notes.is_faulty((*path[:-1], f"{key}_file")):
        return True
    if re.match(r"(?i)https?://", secret):
        notes.fault(path, f"a URL is no {key}", f"webhooks' addresses are not used: {hint}")
    elif _in_quotes(secret):
        notes.fault(path, "there are quotes around the secret", "take them away where the variable is set")
    elif re.search(r"\s", secret):
        notes.fault(path, "there is a space in the secret", f"write the {key} alone, without a word such as Bearer")
    else:
        return False
    return True


def _in_quotes(secret: str) -> bool:
    return len(secret) > 1 and secret[0] == secret[-1] and secret[0] in "\"'`"


def _texts_at(data: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """The one text there, or those of the list."""
    for part in path:
        data = mapping(data).get(part) if isinstance(part, str) else sequence(data)[part]
    if isinstance(data, str):
        yield path, data
    yield from texts(path, data)
