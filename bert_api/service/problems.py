"""The one form of every error: a code for programs, what was seen, and what to do about it."""

from __future__ import annotations

from flask import Response, jsonify


def problem(status: int, code: str, message: str, hint: str, retry_after: int | None = None) -> Response:
    """`retry_after` in seconds."""
    answer = jsonify(error=code, message=message, hint=hint)
    answer.status_code = status
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer
