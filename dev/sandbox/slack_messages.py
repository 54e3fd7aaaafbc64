"""Slack's writing methods: posting, updating, reacting, and the rules on what a message may hold."""

import re
from dataclasses import dataclass
from typing import Any

from dev.sandbox import block_kit
from dev.sandbox.conversations import Channel, Message
from dev.sandbox.mentions import active_mentions
from dev.sandbox.slack_call import Call, SlackError, checked_ts
from dev.sandbox.wire import Json, text_of

TEXT_TRUNCATED_AT = 40_000
UPDATED_TEXT_LIMIT = 4_000
METADATA_LIMIT = 8_000  # Slack names no number
EMOJI_NAME = re.compile(r"[\w+'-]{1,100}(::skin-tone-[2-6])?")


@dataclass(frozen=True)
class Content:
    text: str
    blocks: list[Json]
    attachments: list[Json]
    mentions: list[str]


def auth_test(call: Call) -> Json:
    identity = {"user_id": call.caller.user_id, "bot_id": call.caller.bot_id, "team_id": "T0SANDBOX"}
    return {"url": call.base_url + "/", "team": "Sandbox", "user": "incident-bridge", **identity}


def post_message(call: Call) -> Json:
    channel = call.channel()
    content = content_of(call)
    metadata = metadata_of(call.args.get("metadata"))
    parent = parent_of(call, channel)
    message = Message(
        ts=call.workspace.next_ts(), channel=channel.id, bot_id=call.caller.bot_id, user=call.caller.user_id,
        text=content.text[:TEXT_TRUNCATED_AT], blocks=content.blocks, attachments=content.attachments,
        mentions=content.mentions, metadata=metadata, username=call.text("username") or None,
        thread_ts=parent.ts if parent else None, broadcast=bool(parent and call.truth("reply_broadcast")),
        client_msg_id=call.text("client_msg_id") or None,
    )  # fmt: skip
    call.workspace.post(channel, message, parent)
    body = {"channel": channel.id, "ts": message.ts, "message": message.published(metadata=True)}
    if len(content.text) > TEXT_TRUNCATED_AT:
        body |= {"warning": "message_truncated", "response_metadata": {"warnings": ["message_truncated"]}}
    return body


def update(call: Call) -> Json:
    channel = call.channel(by_id=True)
    message = call.message(channel)
    if message.bot_id != call.caller.bot_id:
        raise SlackError("cant_update_message")
    if call.truth("reply_broadcast"):
        return _broadcast(call, channel, message)
    content = content_of(call)
    if len(content.text) > UPDATED_TEXT_LIMIT:
        raise SlackError("msg_too_long")
    _replace(call, message, content)
    published = message.published(metadata=True)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": published}


def _replace(call: Call, message: Message, content: Content) -> None:
    """What an update leaves out is gone, except the metadata; an empty metadata object removes it."""
    if "metadata" in call.args:
        message.metadata = metadata_of(call.args["metadata"])
    message.text, message.blocks, message.attachments = (content.text, content.blocks, content.attachments)
    message.mentions = list(dict.fromkeys(message.mentions + content.mentions))
    message.edits += 1
    message.edited_ts = call.workspace.next_ts()


def _broadcast(call: Call, channel: Channel, message: Message) -> Json:
    if any(call.args.get(name) for name in ("text", "blocks", "attachments")):
        raise SlackError("no_dual_broadcast_content_update")
    if message.thread_ts is None:
        raise SlackError("cant_broadcast_message")
    if not message.broadcast:
        message.broadcast = True
        channel.broadcasts.append(message)
    return {"channel": channel.id, "ts": message.ts, "text": message.text}


def content_of(call: Call) -> Content:
    text, markdown = call.text("text"), call.text("markdown_text")
    if markdown and (text or call.args.get("blocks")):
        raise SlackError("markdown_text_conflict")
    blocks, attachments = _blocks_of(call), _attachments_of(call)
    if not (text.strip() or markdown.strip() or blocks or attachments):
        raise SlackError("no_text")
    if len(markdown) > block_kit.MAX_MARKDOWN_CHARACTERS:
        raise SlackError("msg_too_long")
    if block_kit.serialized_characters(blocks, attachments) > block_kit.MAX_SERIALIZED_CHARACTERS:
        raise SlackError("msg_blocks_too_long")
    link_names = call.truth("link_names") or call.args.get("parse") == "full"
    mentions = active_mentions(text or markdown, blocks, attachments, link_names=link_names)
    return Content(text or markdown, blocks, attachments, mentions)


def _blocks_of(call: Call) -> list[Json]:
    blocks = call.args.get("blocks") or []
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    _refuse_blocks(block_kit.blocks_faults(blocks) + _file_faults(call, blocks))
    if block_kit.markdown_characters(blocks) > block_kit.MAX_MARKDOWN_CHARACTERS:
        raise SlackError("msg_blocks_too_long")
    return blocks


def _attachments_of(call: Call) -> list[Json]:
    attachments = call.objects("attachments", "invalid_attachments")
    if len(attachments) > block_kit.MAX_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    if faults := block_kit.attachment_faults(attachments):
        raise SlackError("invalid_attachments", messages=faults)
    _refuse_blocks(block_kit.attachment_block_faults(attachments))
    for each in attachments:
        _refuse_blocks(_file_faults(call, each.get("blocks") or []))
    return attachments


def _refuse_blocks(faults: list[str]) -> None:
    if faults:
        raise SlackError("invalid_blocks", messages=faults)


def _file_faults(call: Call, blocks: list[Any]) -> list[str]:
    """An image block may only show a file whose upload was completed."""
    files = [b["slack_file"] for b in blocks if isinstance(b, dict) and isinstance(b.get("slack_file"), dict)]
    wanted = [str(each["id"]) for each in files if "id" in each]
    known = call.workspace.files
    return [f"[ERROR] invalid slack file: {each}" for each in wanted if each not in known or not known[each].shared]


def metadata_of(metadata: Any) -> Json | None:
    if metadata is None or metadata == {}:
        return None
    if not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    event_type, payload = metadata.get("event_type"), metadata.get("event_payload")
    if not isinstance(event_type, str) or not event_type or len(event_type) > 255 or not isinstance(payload, dict):
        raise SlackError("invalid_metadata_schema")
    if not all(isinstance(value, str | int | float | bool) for value in payload.values()):
        raise SlackError("invalid_metadata_schema")
    if len(text_of(metadata)) > METADATA_LIMIT:
        raise SlackError("metadata_too_large")
    return metadata


def parent_of(call: Call, channel: Channel) -> Message | None:
    thread_ts = call.args.get("thread_ts")
    if not thread_ts:
        return None
    parent = channel.by_ts.get(checked_ts(thread_ts, "invalid_thread_ts"))
    if parent is None:
        raise SlackError("thread_not_found")
    if parent.thread_ts is not None:  # a reply; Slack asks for its parent instead
        raise SlackError("cannot_reply_to_message")
    return parent


def get_permalink(call: Call) -> Json:
    channel = call.channel(by_id=True)
    message = call.message(channel, "message_ts")
    link = f"{call.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def add_reaction(call: Call) -> Json:
    channel = call.channel(by_id=True)
    message = call.message(channel, "timestamp")
    name = call.required("name").strip(":")
    if not EMOJI_NAME.fullmatch(name):
        raise SlackError("invalid_name")
    users = message.reactions.setdefault(name, [])
    if call.caller.user_id in users:
        raise SlackError("already_reacted")
    users.append(call.caller.user_id)
    return {}
