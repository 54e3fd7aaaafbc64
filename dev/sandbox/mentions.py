"""The users that a Slack message would ping: the active mentions in every text that Slack parses."""

import re
from collections.abc import Iterator
from typing import Any

from dev.sandbox.wire import Json

ACTIVE = re.compile(r"<(?:![a-z]+(?:\^[^>|]*)?|@[A-Z0-9]+)(?:\|[^>]*)?>", re.IGNORECASE)
BARE = re.compile(r"(?<![\w@])@(?:channel|here|everyone)\b")
LEGACY_TEXTS = ("pretext", "text", "title", "footer", "author_name")


def active_mentions(text: str, blocks: list[Json], attachments: list[Json], *, link_names: bool) -> list[str]:
    """`<!channel>` and its like wherever they work; `@channel` too if Slack was asked to link names."""
    texts = [text, *_texts_in(blocks), *_texts_in_attachments(attachments)]
    found = [match for each in texts for match in ACTIVE.findall(each) if not match.startswith("<!date")]
    if link_names:
        found += [match for each in texts for match in BARE.findall(each)]
    return list(dict.fromkeys(found + list(_rich_mentions(blocks))))


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("type") in ("mrkdwn", "markdown") and isinstance(value.get("text"), str):
            yield value["text"]
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)


def _texts_in_attachments(attachments: list[Json]) -> Iterator[str]:
    for attachment in attachments:
        yield from (attachment[name] for name in LEGACY_TEXTS if isinstance(attachment.get(name), str))
        for field in attachment.get("fields") or []:
            yield from (value for value in field.values() if isinstance(value, str))
        yield from _texts_in(attachment.get("blocks"))


def _rich_mentions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("type") in ("user", "usergroup", "broadcast"):
            yield f"<{value.get('user_id') or value.get('usergroup_id') or value.get('range')}>"
        for inner in value.values():
            yield from _rich_mentions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _rich_mentions(inner)
