"""The state of a Slack workspace: channels, their messages by ts, threads, reactions and files."""

import heapq
import re
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dev.sandbox.credentials import stable_id
from dev.sandbox.wire import Json, now_text

CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{8,}")
USER_ID = re.compile(r"[UW][A-Z0-9]{8,}")
CHANNEL_NAME = re.compile(r"#?[^\W#][\w.-]{0,79}")
FILES_KEPT = 500


@dataclass
class Message:
    ts: str
    channel: str
    bot_id: str
    user: str
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    files: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    username: str | None = None
    thread_ts: str | None = None
    broadcast: bool = False
    client_msg_id: str | None = None
    mentions: list[str] = field(default_factory=list)
    reactions: OrderedDict[str, list[str]] = field(default_factory=OrderedDict)
    replies: list["Message"] = field(default_factory=list)
    edits: int = 0
    edited_ts: str | None = None

    def published(self, *, metadata: bool) -> Json:
        """The message as Slack's own API gives it."""
        out: Json = {
            "type": "message",
            "user": self.user,
            "bot_id": self.bot_id,
            "ts": self.ts,
            "text": self.text,
        }
        optional = {
            "blocks": self.blocks, "attachments": self.attachments, "files": self.files,
            "username": self.username, "client_msg_id": self.client_msg_id,
            "metadata": self.metadata if metadata else None,
        }  # fmt: skip
        out |= {name: value for name, value in optional.items() if value}
        if self.broadcast:
            out["subtype"] = "thread_broadcast"
        if self.edited_ts:
            out["edited"] = {"user": self.user, "ts": self.edited_ts}
        if self.reactions:
            out["reactions"] = [{"name": n, "users": u, "count": len(u)} for n, u in self.reactions.items()]
        return out | self._thread()

    def _thread(self) -> Json:
        if self.thread_ts:
            return {"thread_ts": self.thread_ts}
        if not self.replies:
            return {}
        return {"thread_ts": self.ts, "reply_count": len(self.replies), "latest_reply": self.replies[-1].ts}

    def snapshot(self) -> Json:
        return {
            "ts": self.ts,
            "text": self.text,
            "blocks": self.blocks,
            "attachments": self.attachments,
            "files": self.files,
            "metadata": self.metadata,
            "username": self.username,
            "mentions": self.mentions,
            "reactions": list(self.reactions),
            "broadcast": self.broadcast,
            "edits": self.edits,
            "client_msg_id": self.client_msg_id,
            "thread": [reply.snapshot() for reply in self.replies],
        }


@dataclass
class Channel:
    id: str
    name: str
    parents: OrderedDict[str, Message] = field(default_factory=OrderedDict)
    by_ts: dict[str, Message] = field(default_factory=dict)
    broadcasts: list[Message] = field(default_factory=list)

    def add(self, message: Message, parent: Message | None, history: int) -> None:
        self.by_ts[message.ts] = message
        if parent is None:
            self.parents[message.ts] = message
        else:
            parent.replies.append(message)
        if message.broadcast:
            self.broadcasts.append(message)
        if len(self.parents) > history:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, oldest = self.parents.popitem(last=False)
        for message in (oldest, *oldest.replies):
            del self.by_ts[message.ts]
        self.broadcasts = [each for each in self.broadcasts if each.thread_ts != oldest.ts]

    def newest_first(self) -> Iterator[Message]:
        """What the channel itself shows: parents, and replies that were sent to the channel as well."""
        if not self.broadcasts:
            return reversed(self.parents.values())
        broadcasts = sorted(self.broadcasts, key=_ts, reverse=True)
        return heapq.merge(reversed(self.parents.values()), broadcasts, key=_ts, reverse=True)


def _ts(message: Message) -> str:
    return message.ts


@dataclass
class File:
    id: str
    name: str
    length: int
    title: str = ""
    content: bytes | None = None
    shared: bool = False

    def published(self) -> Json:
        return {"id": self.id, "name": self.name, "title": self.title or self.name, "size": self.length}


class SlackWorkspace:
    def __init__(self, history: int) -> None:
        self._history = history
        self._last_ts = 0
        self.reset()

    def reset(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.files: OrderedDict[str, File] = OrderedDict()
        self.rejected: deque[Json] = deque(maxlen=self._history)
        self.calls: dict[str, int] = {}

    def next_ts(self) -> str:
        """Strictly increasing microseconds, in Slack's notation."""
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        seconds, micros = divmod(self._last_ts, 1_000_000)
        return f"{seconds}.{micros:06d}"

    def channel_of(self, given: str) -> Channel | None:
        """By id or by name; an unknown channel is created."""
        if known := self.channels.get(given):
            return known
        if CHANNEL_ID.fullmatch(given):
            return self._opened(given, given)
        if USER_ID.fullmatch(given):
            return self._opened(stable_id("D", given), given)
        if CHANNEL_NAME.fullmatch(given):
            return self._opened(stable_id("C", given.lstrip("#")), given.lstrip("#"))
        return None

    def _opened(self, channel_id: str, name: str) -> Channel:
        return self.channels.setdefault(channel_id, Channel(channel_id, name))

    def post(self, channel: Channel, message: Message, parent: Message | None = None) -> None:
        channel.add(message, parent, self._history)

    def keep_file(self, file: File) -> None:
        self.files[file.id] = file
        if len(self.files) > FILES_KEPT:
            self.files.popitem(last=False)

    def reject(self, method: str, error: str, details: list[str], args: Any) -> None:
        entry = {
            "received_at": now_text(),
            "method": method,
            "error": error,
            "messages": details,
            "args": args,
        }
        self.rejected.append(entry)

    def counts(self) -> Json:
        sizes = {channel.name: len(channel.by_ts) for channel in self.channels.values() if channel.by_ts}
        return {
            "channels": sizes,
            "messages": sum(sizes.values()),
            "rejected": len(self.rejected),
            "calls": dict(self.calls),
        }

    def snapshot(self) -> Json:
        channels = {
            channel.name: {"id": channel.id, "messages": [m.snapshot() for m in channel.parents.values()]}
            for channel in self.channels.values()
        }
        files = [each.published() for each in self.files.values() if each.shared]
        return {
            "channels": channels,
            "files": files,
            "rejected": list(self.rejected),
            "calls": dict(self.calls),
        }
