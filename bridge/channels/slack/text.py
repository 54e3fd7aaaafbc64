"""Untrusted text for Slack: escaped, cut in Slack's unit, links that cannot end early.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re

from bridge.rendering.text import clean, cut, one_line, utf16_units

_MARKUP = re.compile(r"(?<!\w)[*_~]|[*_~](?!\w)")
_SPECIAL = re.compile(r"[&<>`*_~]")
WORD_JOINER = "\u2060"


def escaped(text: str) -> str:
    """Slack's three characters; beyond them there is no escape, so markup is parted from its word."""
    text = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "ʼ")
    return _MARKUP.sub(lambda found: f"{WORD_JOINER}{found[0]}{WORD_JOINER}", text)


def mrkdwn(text: str, limit: int) -> str:
    """Cut before it is escaped, so that no entity is cut; `limit` holds for the result, in UTF-16 units."""
    text, room = clean(text), limit
    if len(text) * 2 <= limit and not _SPECIAL.search(text):  # nearly every text, and twice as fast
        return text
    while utf16_units(result := escaped(cut(text, room, utf16_units))) > limit:
        room = room * 3 // 4
    return result


def link(text: str, href: str | None) -> str:
    """Empty when the address is none. Inside <...> three characters end the address early."""
    href = clean(href or "").replace("|", "%7C").replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    label = mrkdwn(one_line(text).replace("|", "/"), 75) or "Link"
    fine = href.lower().startswith(("http://", "https://")) and len(href) <= 2000 and "\n" not in href
    return f"<{href.replace('&', '&amp;')}|{label}>" if fine else ""
