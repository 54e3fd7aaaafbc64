"""A Slack message as a value: text, blocks, thread reply, and the metadata by which it is found again.

https://docs.slack.dev/messaging/formatting-message-text and https://docs.slack.dev/messaging/message-metadata
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.channels.slack.blocks import attachment_of
from bridge.channels.slack.first_screen import date
from bridge.channels.slack.room import Json
from bridge.channels.slack.text import mrkdwn
from bridge.core.model import State
from bridge.core.ports import Claim, Message
from bridge.core.timeline import Entry, EntryKind
from bridge.rendering.context_view import view_of
from bridge.rendering.text import one_line, utf16_units
from bridge.rendering.view import started_at, why_notified

EVENT_TYPE = "incident_bridge"
MAX_TEXT = 3500  # chat.update refuses more than 4000
MAX_NEWS = 11
MAX_NOTE = 2500  #: escaped, of one note
ROOM_FOR_REST = 100  #: for a mention, and for how many are left out
MAX_WHY = 3
POSTED = "posted"  #: of the handle's `rest`: the thread has what is not bad


def message_of(message: Message, claim: Claim, mention: str | None) -> Json:
    """`post_text` is the text of a new message, which may ring; `text` that of an edit, which may not."""
    text = mrkdwn(f"{message.title}: {message.summary}" if claim.shrink else message.summary, MAX_TEXT) or "Alert"
    posted = "\n".join((text, *(f"• {mrkdwn(one_line(why), 300)}" for why in why_notified(message)[-MAX_WHY:])))
    content: Json = {"text": text, "post_text": _ringing(posted, message, claim, mention)}
    content["attachments"] = [] if claim.shrink else [attachment_of(message)]
    content["metadata"] = metadata_of(message, claim)
    content["thread"] = thread_of(message, claim, mention, notified_revision(claim))
    content["rest"] = None if claim.shrink else rest_of(message, claim)
    return content


def notified_revision(claim: Claim) -> int:
    """Up to which revision the thread has the news."""
    return max(claim.sent, int(claim.handle.get("thread_revision", 0)))


def thread_of(message: Message, claim: Claim, mention: str | None, since: int) -> Json | None:
    """The loud news and the notes in one reply; in the channel too when the incident has become critical.

    Of the claim and not of the message, which has none for a target that was never notified as far as is known.
    """
    news = [entry for entry in claim.news if entry.revision > since and (entry.loud or _is_note(entry))]
    lines = [_line(entry) for entry in news[-MAX_NEWS:]]
    if not lines:
        return None
    while utf16_units("\n".join(lines)) > MAX_TEXT - ROOM_FOR_REST:
        lines.pop(0)
    lines += [f"• and {len(news) - len(lines)} more"] if len(news) > len(lines) else []
    reply: Json = {"text": "\n".join(lines), "metadata": metadata_of(message, claim)}
    if newly_critical(message, claim):
        reply["text"] = _ringing(reply["text"], message, claim, mention)
        reply["reply_broadcast"] = True
    return reply


def _line(entry: Entry) -> str:
    if not _is_note(entry):
        return f"• {mrkdwn(one_line(entry.text), 300)}"
    return f"• {mrkdwn(one_line(entry.actor), 100)}, {date(entry.at)}: {mrkdwn(entry.text, MAX_NOTE)}"


def _is_note(entry: Entry) -> bool:
    return entry.kind is EntryKind.NOTED


def rest_of(message: Message, claim: Claim) -> Json | None:
    """What was measured and is not bad, for the thread, once: while it fires, for later it is no news."""
    learned = view_of(message.context, started_at(message), message.component)
    if not (message.firing and learned.others and learned.measured_at):
        return None
    lines = [f"Also measured, at {date(learned.measured_at)}:"]
    room = MAX_TEXT - utf16_units(lines[0])
    for fact in learned.others:
        line = f"\n• {mrkdwn(fact.title, 150)}: {mrkdwn(fact.line, 400)}"
        room -= utf16_units(line)
        if room < 0:
            break
        lines.append(line)
    return {"text": "".join(lines), "metadata": _metadata(rest_id(message, claim), message.revision)}


def rest_id(message: Message, claim: Claim) -> str:
    """Not the delivery's own: the reply says nothing about what is news."""
    return f"{delivery_id(message, claim)}:rest"


def newly_critical(message: Message, claim: Claim) -> bool:
    """Or critical and open again, after it was acknowledged."""
    return rung(message) == "critical" and claim.handle.get("severity") != "critical"


def rung(message: Message) -> str:
    """What the handle keeps, so that the next critical state rings or not: after an end, and when an acknowledgement
    is over, it rings again."""
    return message.severity if message.firing and message.state is not State.ACKNOWLEDGED else ""


def delivery_id(message: Message, claim: Claim) -> str:
    return f"{message.uid}:{claim.target.channel}"


def metadata_of(message: Message, claim: Claim) -> Json:
    return _metadata(delivery_id(message, claim), message.revision)


def _metadata(identity: str, revision: int) -> Json:
    payload = {"delivery_id": identity, "revision": revision, "posted": revision}
    return {"event_type": EVENT_TYPE, "event_payload": payload}


def first_posted(metadata: Json, handle: Mapping[str, Any]) -> Json:
    """Of an edit: it keeps at which revision the message was posted, from which on its thread must have the news."""
    payload = metadata["event_payload"]
    return {**metadata, "event_payload": {**payload, "posted": handle.get("posted", payload["posted"])}}


def _ringing(text: str, message: Message, claim: Claim, mention: str | None) -> str:
    return f"{mention} {text}" if mention and newly_critical(message, claim) else text


def own(metadata: object, wanted: str) -> Mapping[str, Any] | None:
    """The payload of our own message metadata; None if this is another's."""
    if not isinstance(metadata, Mapping) or metadata.get("event_type") != EVENT_TYPE:
        return None
    payload = metadata.get("event_payload")
    return payload if isinstance(payload, Mapping) and payload.get("delivery_id") == wanted else None
