"""The format of log lines, and the chosen level and format.

Standard library only: the supervisor writes such lines too, and imports nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("json", "console")
LEVEL_VARIABLE, FORMAT_VARIABLE = "BRIDGE_LOG_LEVEL", "BRIDGE_LOG_FORMAT"
_SECTION = re.compile(r"^log[ \t]*:(.*(?:\n(?:[ \t#].*)?)*)", re.M)
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*", re.M)
_BARE = re.compile(r"[^\s\"'=]+")
_FIRST = ("timestamp", "level", "logger", "event")
_TRACES = ("exception", "stack")


def chosen(environment: Mapping[str, str], level: str = "info", style: str = "json") -> tuple[str, str]:
    """Level and format: from the environment, else from routes.yaml. Raises ValueError with the valid words."""
    return (
        _one_of(LEVEL_VARIABLE, environment.get(LEVEL_VARIABLE) or level, LEVELS),
        _one_of(FORMAT_VARIABLE, environment.get(FORMAT_VARIABLE) or style, FORMATS),
    )


def glimpsed(environment: Mapping[str, str], routes: str) -> tuple[str, str]:
    """As chosen, from the text of routes.yaml without a YAML library, for the supervisor."""
    section = _SECTION.search(routes)
    text = _COMMENT.sub("", section[1]) if section else ""
    level, style = (_glimpse(key, text, environment) for key in ("level", "format"))
    try:
        return chosen(environment, level or "info", style or "json")
    except ValueError:  # the processes report it
        return "info", "json"


def as_json(event: Mapping[str, Any]) -> str:
    return json.dumps(event)


def as_console(event: Mapping[str, Any]) -> str:
    """`2026-11-23T08:34:20.123456Z warning  store  ping_failed why="no answer"`, a traceback on lines of its own.

    Untrusted text can neither end a line nor send control sequences to the terminal.
    """
    timestamp, level, logger, name = (_shown(str(event.get(key, ""))) for key in _FIRST)
    fields = (f"{_shown(key)}={_value(value)}" for key, value in event.items() if key not in (*_FIRST, *_TRACES))
    line = " ".join([timestamp, f"{level:<8}", f"{logger}:", name, *fields])
    traces = (row for key in _TRACES if event.get(key) for row in str(event[key]).splitlines())
    return "\n".join([line, *(f"    {_shown(row)}" for row in traces)])


WRITERS = {"json": as_json, "console": as_console}


def is_written(level: str, least: str) -> bool:
    return LEVELS.index(level) >= LEVELS.index(least)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    word = value.strip().lower()
    if word not in known:
        raise ValueError(f"{name} is {value[:40]!r}: write {', '.join(known[:-1])} or {known[-1]}")
    return word


def _glimpse(key: str, section: str, environment: Mapping[str, str]) -> str:
    found = re.search(rf"""\b{key}["']?[ \t]*:[ \t]*["']?(?:\$\{{(\w+)(?::-(\w*))?\}}|(\w+))""", section)
    return (environment.get(found[1]) or found[2] or "") if found and found[1] else found[3] if found else ""


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    shown = _shown(text)
    return shown if not isinstance(value, str) or _BARE.fullmatch(shown) else json.dumps(shown, ensure_ascii=False)


def _shown(text: str) -> str:
    return text if text.isprintable() else "".join(map(_letter, text))


def _letter(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()
