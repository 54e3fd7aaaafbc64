"""The room that a Slack message has for blocks, and the plain kinds of blocks.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import Any

Json = dict[str, Any]
FAIR = 3  #: a piece that takes more than one part in so many of what is left is shortened


class Room:
    """How many characters are left; what does not fit takes nothing."""

    def __init__(self, characters: int) -> None:
        self.left = characters

    def takes(self, piece: Json) -> bool:
        size = size_of(piece)
        if size > self.left:
            return False
        self.left -= size
        return True

    def fitting(self, pieces: Iterable[Json]) -> list[Json]:
        """Up to the first that does not fit: nothing less important takes its place."""
        return list(takewhile(self.takes, pieces))

    def fair(self, full: Json, short: Callable[[], Json]) -> list[Json]:
        """The full piece if it leaves enough for others, else the short one, if that fits."""
        size = size_of(full)
        if size * FAIR > self.left:
            return self.fitting([short()])
        self.left -= size
        return [full]


def section(text: str) -> Json:
    return {"type": "section", "text": text_of(text)}


def small(text: str) -> Json:
    return {"type": "context", "elements": [text_of(text)]}


def fields_of(fields: Sequence[Json]) -> Json:
    return {"type": "section", "fields": list(fields)}


def text_of(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def size_of(piece: Json) -> int:
    """Of ASCII JSON, which is never less than what Slack counts."""
    return len(json.dumps(piece)) + len(", ")
