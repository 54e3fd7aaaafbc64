"""One JSON object a line on stderr, from structlog and the standard library alike.

Law: no secret passes: redaction is the last step before the line is written, and reads the traceback too.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import Any, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import FilteringBoundLogger, Processor

HIDDEN = "[redacted]"
SECRET_KEY = re.compile(r"authorization|cookie|password|passwd|secret|token|routing_?key|api_?key|credential", re.I)
DEEPEST = 20


def configure(level: str, secrets: frozenset[str] = frozenset()) -> None:
    """May be called again, for instance when a reload brought new secrets."""
    ending = _ending(secrets)
    # Straight to the stream: on its way through the standard library an event would cost three times as much.
    structlog.configure(
        processors=[*_SHARED, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=partial(_Stream, sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(ending))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)


def get(name: str) -> FilteringBoundLogger:
    """A logger of events with fields: get(__name__).info("incident opened", incident=7)."""
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


class _Stream(structlog.WriteLogger):
    """Writes whole lines; knows its name, as a logger of the standard library does."""

    def __init__(self, stream: TextIO, name: str) -> None:
        super().__init__(stream)
        self.name = name


_SHARED: tuple[Processor, ...] = (
    structlog.stdlib.add_logger_name,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def _ending(secrets: frozenset[str]) -> tuple[Processor, ...]:
    return (
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        Redactor(secrets),
        structlog.processors.JSONRenderer(serializer=json.dumps),
    )


def _formatter(ending: tuple[Processor, ...]) -> logging.Formatter:
    """For what libraries log."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
    )


class Redactor:
    """Replaces every secret, wherever it stands, and the values of keys that sound like one."""

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
    """As it is, in a URL, in JSON and in Python's repr."""
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
