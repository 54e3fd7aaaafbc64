"""The one form of every error: a code for programs, what was seen, and what to do about it."""

from __future__ import annotations

from flask import Response, jsonify


def content(code: str, message: str, hint: str) -> dict[str, str]:
    return {"error": code, "message": message, "hint": hint}


def too_large(limit: int) -> dict[str, str]:
    """`limit` in bytes."""
    return content("too_large", f"The body has more than {limit} bytes.", "Send fewer or shorter texts at once.")


def problem(status: int, code: str, message: str, hint: str, retry_after: int | None = None) -> Response:
    """`retry_after` in seconds."""
    answer = jsonify(content(code, message, hint))
    answer.status_code = status
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer
