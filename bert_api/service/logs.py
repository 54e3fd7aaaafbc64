"""One JSON object a line on stderr.

Invariant: events and numbers, never what was sent; of an exception only its type and its place, because its own
words may repeat the text that it stumbled over; of a library's event only its wording, because it is filled with paths.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure() -> None:
    """For the process that serves; a library or a test leaves logging alone."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # waiting is measured, not logged


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if record.name.startswith("bert_api") else str(record.msg),
        }
        event |= {name: value for name, value in vars(record).items() if name not in ORDINARY}
        if record.exc_info and record.exc_info[1] is not None:
            event |= where(record.exc_info[1])
        return json.dumps(event, default=str)


def where(error: BaseException) -> dict[str, object]:
    """The exception's type, and the calls that led to it, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    return {"exception": type(error).__name__, "at": [f"{each.filename}:{each.lineno} {each.name}" for each in frames]}
