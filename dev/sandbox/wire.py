"""JSON in and out of the sandbox, and the two ways it writes the time."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

Json = dict[str, Any]


def parse(body: bytes | str) -> Any:
    """Raises ValueError on anything that is not strict JSON (no NaN, no lone surrogates)."""
    return orjson.loads(body)


def text_of(value: Any, *, pretty: bool = False) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if pretty else None).decode()


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
