"""One call of a Slack method: its arguments read with Slack's own errors, and what a refusal looks like."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dev.sandbox.conversations import CHANNEL_ID, Channel, Message, SlackWorkspace
from dev.sandbox.credentials import stable_id
from dev.sandbox.wire import Json

TS = re.compile(r"\d{9,11}\.\d{6}")


class SlackError(Exception):
    def __init__(
        self,
        code: str,
        *,
        messages: list[str] | None = None,
        status: int = 200,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.messages = messages or []
        self.status = status
        self.retry_after = retry_after

    def body(self) -> Json:
        body: Json = {"ok": False, "error": self.code}
        if self.messages:
            body |= {"errors": self.messages, "response_metadata": {"messages": self.messages}}
        return body

    def headers(self) -> Mapping[str, str]:
        return {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}


@dataclass(frozen=True)
class Caller:
    bot_id: str
    user_id: str


def caller_of(token: str) -> Caller:
    return Caller(stable_id("B", token), stable_id("U", token))


@dataclass(frozen=True)
class Call:
    method: str
    args: Json
    caller: Caller
    base_url: str
    workspace: SlackWorkspace
    missing_channels: tuple[str, ...]

    def text(self, name: str, default: str = "") -> str:
        value = self.args.get(name, default)
        if not isinstance(value, str):
            self._wrong(f"[ERROR] must be a string [json-pointer:/{name}]")
        return str(value)

    def required(self, name: str) -> str:
        if not self.args.get(name):
            self._wrong(f"[ERROR] missing required field: {name}")
        return self.text(name)

    def truth(self, name: str) -> bool:
        return str(self.args.get(name, "")).lower() in ("1", "true")

    def number(self, name: str, default: int, most: int) -> int:
        value = str(self.args.get(name, default))
        if not value.isdigit():
            self._wrong(f"[ERROR] must be a whole number [json-pointer:/{name}]")
        return max(1, min(int(value), most))

    def objects(self, name: str, error: str) -> list[Json]:
        value = self.args.get(name) or []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise SlackError(error, messages=[f"[ERROR] must be an array of objects [json-pointer:/{name}]"])
        return value

    def channel(self, name: str = "channel", *, by_id: bool = False) -> Channel:
        """Only posting takes a name; every other method wants the id that posting gave back."""
        given = self.args.get(name)
        if not isinstance(given, str) or self._is_missing(given) or (by_id and not CHANNEL_ID.fullmatch(given)):
            raise SlackError("channel_not_found")
        channel = self.workspace.channel_of(given)
        if channel is None:
            raise SlackError("channel_not_found")
        return channel

    def _is_missing(self, given: str) -> bool:
        names = {name.lstrip("#") for name in self.missing_channels}
        return given.lstrip("#") in names or given in {stable_id("C", name) for name in names}

    def message(self, channel: Channel, name: str = "ts", error: str = "message_not_found") -> Message:
        message = channel.by_ts.get(self.required(name))
        if message is None:
            raise SlackError(error)
        return message

    def _wrong(self, text: str) -> None:
        raise SlackError("invalid_arguments", messages=[text])


def checked_ts(value: Any, error: str) -> str:
    if not isinstance(value, str) or not TS.fullmatch(value):
        raise SlackError(error)
    return value
