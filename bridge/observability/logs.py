"""One line of JSON or plain text per event on stderr, for structlog and the standard library alike.

Invariant: no secret is logged: redaction is the last step before writing, and covers tracebacks too. A log that cannot
be written, perhaps because of a full disk, stops nothing.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from bridge.observability.log_lines import WRITERS

HIDDEN = "[redacted]"
SECRET_KEY = re.compile(r"authorization|cookie|password|passwd|secret|token|routing_?key|api_?key|credential", re.I)
DEEPEST = 20


def configure(level: str, secrets: frozenset[str] = frozenset(), style: str = "json") -> None:
    """May be called again, for instance when a reload brought new secrets. style: json or console.

    Libraries log at most `info`: their debug lines about connections may contain secrets in fragments, which redaction
    does not find.
    """
    ending = _ending(secrets, style)
    _configure(level, ending, partial(_Stream, sys.stderr))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(ending))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel("INFO" if level == "debug" else level.upper())
    logging.captureWarnings(True)


def configure_for_command() -> None:
    """Warnings as plain text on stderr, as stdout is the command's output. The standard library is left alone."""
    _configure("warning", _ending(frozenset(), "console"), lambda name: _Stream(sys.stderr, name))


def _configure(level: str, ending: tuple[Processor, ...], stream: Callable[[str], _Stream]) -> None:
    """Writes directly to the stream: going through the standard library would triple an event's cost."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *_SHARED, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=stream,
        cache_logger_on_first_use=False,
    )


def remember(**fields: str) -> None:
    """Add these fields to every line of this thread from now on, instead of earlier ones."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**fields)


def get(name: str) -> FilteringBoundLogger:
    """A logger of events with fields: get(__name__).info("incident_opened", incident=7)."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


class _Stream:
    """Writes whole lines; has a name, as a logger of the standard library does."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self.name = stream, name

    def msg(self, message: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(f"{message}\n")
            self._stream.flush()

    log = debug = info = warn = warning = error = critical = exception = fatal = failure = err = msg


_SHARED: tuple[Processor, ...] = (
    structlog.stdlib.add_logger_name,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def _ending(secrets: frozenset[str], style: str) -> tuple[Processor, ...]:
    write = WRITERS[style]
    return (
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        Redactor(secrets),
        lambda logger, method, event: write(event),
    )


def _formatter(ending: tuple[Processor, ...]) -> logging.Formatter:
    """For what libraries log."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
    )


class Redactor:
    """Replaces every secret anywhere in an event, and the values of keys that look like one."""

    def __init__(self, secrets: frozenset[str]) -> None:
        spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        longest_first = sorted(spellings, key=len, reverse=True)
        self._secret = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        return self._mapping(event, 0)

    def _mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        return {self.text(str(key)): self._value(str(key), value, depth) for key, value in mapping.items()}

    def _value(self, key: str, value: object, depth: int) -> Any:
        return HIDDEN if SECRET_KEY.search(key) else self._clean(value, depth + 1)

    def _clean(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping) and depth < DEEPEST:
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset) and depth < DEEPEST:
            return [self._clean(each, depth + 1) for each in value]
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "replace"))
        return self.text(_as_text(value))

    def text(self, text: str) -> str:
        """Every secret in it replaced."""
        return self._secret.sub(HIDDEN, text) if self._secret else text


def _as_text(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _spellings(secret: str) -> set[str]:
    """The secret as it is, in a URL, in JSON and in Python's repr."""
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
