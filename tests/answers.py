"""What Flask's test client was answered."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse


def body_of(answer: TestResponse) -> dict[str, Any]:
    """The JSON object in the body; anything else fails the test and shows what was there."""
    body = answer.get_json(silent=True)
    assert isinstance(body, dict), answer.text
    return body
