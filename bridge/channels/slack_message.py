"""A Slack message as a value: blocks, colour, thread reply; escaped, and within Slack's limits.

https://docs.slack.dev/messaging/formatting-message-text and https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bridge.core.ports import AlertLine, Claim, Link, Message
from bridge.rendering.text import clean, cut, one_line, utf16_units

Json = dict[str, Any]
EVENT_TYPE = "incident_bridge"
MAX_TEXT = 3500  # chat.update refuses more than 4000
MAX_SECTION = 2900
MAX_HEADER = 150
# Slack counts 12,000 to 13,200 characters over all blocks and says so nowhere: slackapi/bolt-js#2509, #2867.
MAX_BLOCKS_TEXT = 9_500
MAX_ALERTS = 10
MAX_LINKS = 8
MAX_NEWS = 11
COLOURS = {"critical": "#c62828", "warning": "#f2a100", "unknown": "#f2a100"}
RESOLVED, INFO = "#2e7d32", "#1565c0"
_MARKUP = re.compile(r"(?<!\w)[*_~]|[*_~](?!\w)")
WORD_JOINER = "\u2060"


def message_of(message: Message, claim: Claim, mention: str | None) -> Json:
    """`post_text` is the text of a new message, which may ring; `text` that of an edit, which may not."""
    text = mrkdwn(f"{message.title}: {message.summary}" if claim.shrink else message.summary, MAX_TEXT) or "Alert"
    content: Json = {"text": text, "post_text": _ringing(text, message, claim, mention)}
    content["attachments"] = [] if claim.shrink else [_attachment(message)]
    content["metadata"] = metadata_of(message, claim)
    content["thread"] = thread_of(message, claim, mention, told(claim))
    return content


def told(claim: Claim) -> int:
    """Up to which revision the thread has the news."""
    return max(claim.sent, int(claim.handle.get("thread_revision", 0)))


def thread_of(message: Message, claim: Claim, mention: str | None, since: int) -> Json | None:
    """The loud news in one reply; in the channel too when the incident has become critical."""
    news = [entry for entry in message.news if entry.loud and entry.revision > since]
    lines = [f"• {mrkdwn(one_line(entry.text), 300)}" for entry in news[-MAX_NEWS:]]
    if not lines:
        return None
    lines += [f"• and {len(news) - MAX_NEWS} more"] if len(news) > MAX_NEWS else []
    reply: Json = {"text": "\n".join(lines), "metadata": metadata_of(message, claim)}
    if newly_critical(message, claim):
        reply["text"] = _ringing(reply["text"], message, claim, mention)
        reply["reply_broadcast"] = True
    return reply


def newly_critical(message: Message, claim: Claim) -> bool:
    return message.firing and message.severity == "critical" and claim.handle.get("severity") != "critical"


def rung(message: Message) -> str:
    """What the handle keeps, so that the next critical state rings or not: an end makes it ring again."""
    return message.severity if message.firing else ""


def delivery_id(message: Message, claim: Claim) -> str:
    return f"{message.uid}:{claim.target.channel}"


def metadata_of(message: Message, claim: Claim) -> Json:
    payload = {"delivery_id": delivery_id(message, claim), "revision": message.revision}
    return {"event_type": EVENT_TYPE, "event_payload": payload}


def escaped(text: str) -> str:
    """Slack's three characters; beyond them there is no escape, so markup is parted from its word."""
    text = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "ʼ")
    return _MARKUP.sub(lambda found: f"{WORD_JOINER}{found[0]}{WORD_JOINER}", text)


def mrkdwn(text: str, limit: int) -> str:
    """Cut before it is escaped, so that no entity is cut; `limit` holds for the result."""
    text, room = clean(text), limit
    while utf16_units(result := escaped(cut(text, room, utf16_units))) > limit:
        room = room * 3 // 4
    return result


def _ringing(text: str, message: Message, claim: Claim, mention: str | None) -> str:
    return f"{mention} {text}" if mention and newly_critical(message, claim) else text


def _attachment(message: Message) -> Json:
    """As many alerts as fit; the count is of ASCII JSON, which is never less than what Slack counts."""
    for shown in (*range(min(len(message.alerts), MAX_ALERTS), 0, -1), 0):
        blocks = _blocks(message, message.alerts[:shown])
        if len(json.dumps(blocks)) <= MAX_BLOCKS_TEXT:
            break
    else:  # pragma: no cover - without alerts it fits
        blocks = [_header(message)]
    return {"color": _colour(message), "fallback": mrkdwn(message.summary, 500) or "Alert", "blocks": blocks}


def _blocks(message: Message, alerts: tuple[AlertLine, ...]) -> list[Json]:
    hidden = message.hidden + len(message.alerts) - len(alerts)
    foot = [f"{hidden} more alerts are not shown"] if hidden else []
    foot += [f"{message.truncated} alerts were left out by the source"] if message.truncated else []
    links = _links(message)
    blocks = [_header(message), _context(_standing(message))]
    blocks += [_section(_alert(line)) for line in alerts]
    blocks += [_context(" · ".join(foot))] if foot else []
    return blocks + ([_context(links)] if links else [])


def _header(message: Message) -> Json:
    title = cut(one_line(message.title), MAX_HEADER, utf16_units) or f"Incident {message.number}"
    return {"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}}


def _standing(message: Message) -> str:
    by = f" by {mrkdwn(message.acknowledged_by, 100)}" if message.acknowledged_by else ""
    # The reader's own time zone: https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    at = message.opened_at
    since = f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time_secs}}|{at:%Y-%m-%d %H:%M:%S} UTC>"
    parts = [
        f"Incident {message.number}",
        mrkdwn(message.severity, 50),
        f"{message.state}{by}",
        f"since {since}",
    ]
    return " · ".join([*parts, mrkdwn(message.source, 100)])


def _alert(line: AlertLine) -> str:
    mark = "🔴" if line.status == "firing" else "✅"
    texts = [f"{mark} *{mrkdwn(line.name, 150)}* {mrkdwn(line.summary, 400)}".rstrip()]
    texts += [mrkdwn(line.description, 500)] if line.description else []
    labels = "  ".join(f"{name}={cut(one_line(value), 100)}" for name, value in line.labels.items())
    return "\n".join([*texts, *([f"`{mrkdwn(labels, 500)}`"] if labels.strip() else [])])


def _links(message: Message) -> str:
    own = [Link("Open incident", message.incident_url)] if message.incident_url else []
    shown: list[str] = []
    for link in [*own, *message.links[:MAX_LINKS]]:
        text = _link(link)
        if text and sum(map(len, shown)) + len(text) < MAX_SECTION - 100:
            shown.append(text)
    return " · ".join(shown)


def _link(link: Link) -> str:
    """Inside <...> three characters end the address early."""
    href = clean(link.href).replace("|", "%7C").replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    label = mrkdwn(one_line(link.text).replace("|", "/"), 75) or "Link"
    fine = href.lower().startswith(("http://", "https://")) and len(href) <= 2000 and "\n" not in href
    return f"<{href.replace('&', '&amp;')}|{label}>" if fine else ""


def _section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _context(text: str) -> Json:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def _colour(message: Message) -> str:
    return COLOURS.get(message.severity, INFO) if message.firing else RESOLVED


def own(metadata: object, wanted: str) -> Mapping[str, Any] | None:
    """The payload of our own message metadata; None if this is another's."""
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != EVENT_TYPE:
        return None
    payload = metadata.get("event_payload")
    return payload if isinstance(payload, Mapping) and payload.get("delivery_id") == wanted else None
