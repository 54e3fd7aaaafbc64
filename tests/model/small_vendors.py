"""PagerDuty, Slack and a mail server in memory, behind the real channels; each can fail.

Invariant: a vendor keeps its own record by its own rules (dedup_key, ts, Message-ID), and knows nothing of the bridge.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from bridge.channels.email.channel import EmailChannel
from bridge.channels.email.settings import EmailSettings
from bridge.channels.pagerduty.channel import PagerDutyChannel
from bridge.channels.pagerduty.events import Event
from bridge.channels.pagerduty.settings import PagerDutySettings
from bridge.channels.slack.channel import SlackChannel
from bridge.channels.slack.settings import SlackSettings
from bridge.core.errors import Reason, SendError
from bridge.core.ports import Claim, Composed, Message, Receipt
from dev.sandbox import mailbox
from dev.sandbox.incidents import Incident, PagerDutyAccount

T = TypeVar("T")
SECONDS = timedelta(seconds=10)


class Trouble(enum.Enum):
    NONE = "answers"
    REFUSING = "takes no connection"
    RESETTING = "breaks the connection before it has accepted anything"
    DEAF = "accepts it, and breaks the connection before it answers"
    LIMITING = "limits the rate for half a minute"
    REJECTING = "rejects every message"


@dataclass
class Vendor:
    trouble: Trouble = Trouble.NONE

    def through(self, work: Callable[[], T]) -> T:
        match self.trouble:
            case Trouble.REFUSING:
                raise SendError(Reason.NETWORK, "refused")
            case Trouble.RESETTING:
                raise SendError(Reason.NETWORK, "reset", ambiguous=True)
            case Trouble.DEAF:
                work()
                raise SendError(Reason.NETWORK, "reset", ambiguous=True)
            case Trouble.LIMITING:
                raise SendError(Reason.RATE_LIMITED, "429", retry_after=30)
            case Trouble.REJECTING:
                raise SendError(Reason.DESTINATION, "gone")
        return work()


@dataclass
class PagerDuty(Vendor):
    account: PagerDutyAccount = field(default_factory=lambda: PagerDutyAccount(100_000))

    def status(self, dedup_key: str) -> str:
        """Of the newest incident; empty if there is none."""
        return next((each.status for each in reversed(self._all(dedup_key))), "")

    def pages(self, dedup_key: str) -> int:
        return sum(each.pages for each in self._all(dedup_key))

    def _all(self, dedup_key: str) -> list[Incident]:
        return [each for each in self.account.incidents.values() if each.dedup_key == dedup_key]


@dataclass
class Mail(Vendor):
    box: mailbox.Mailbox = field(default_factory=lambda: mailbox.Mailbox(100_000))

    def about(self, number: int) -> list[mailbox.Mail]:
        return [each for each in self.box.mails.values() if each.header("X-Alert-Incident") == str(number)]


@dataclass
class Slack(Vendor):
    """One channel. Messages and replies by ts; nothing is ever dropped as a duplicate."""

    clock: Callable[[], datetime] = lambda: datetime.min.replace(tzinfo=UTC)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)

    def about(self, uid: str) -> list[dict[str, Any]]:
        return [each for each in self.top() if _payload(each)["delivery_id"].startswith(f"{uid}:")]

    def replies(self, ts: str) -> list[dict[str, Any]]:
        return [each for each in self.messages.values() if each.get("thread_ts") == ts]

    def top(self) -> list[dict[str, Any]]:
        return [each for each in self.messages.values() if "thread_ts" not in each]

    def do(self, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
        if method == "chat.postMessage":
            ts = f"{self.clock().timestamp() + len(self.messages) * 1e-6:.6f}"
            self.messages[ts] = {**given, "ts": ts}
            return {"channel": "C1", "ts": ts}
        if method == "chat.update":
            self.messages[given["ts"]].update(given)
            return {}
        found = self.replies(given["ts"]) if method == "conversations.replies" else reversed(self.top())
        return {"messages": [each for each in found if float(each["ts"]) > float(given["oldest"])]}


def _payload(message: Mapping[str, Any]) -> Mapping[str, Any]:
    payload: Mapping[str, Any] = message["metadata"]["event_payload"]
    return payload


class SlackCallsInMemory:
    def __init__(self, vendor: Slack) -> None:
        self._vendor = vendor

    async def call(self, method: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._vendor.through(lambda: self._vendor.do(method, given))

    async def pages(self, method: str, given: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
        for message in (await self.call(method, given))["messages"]:
            yield message


def slack_channel(vendor: Slack) -> SlackChannel:
    about = {"type": "slack", "token": "xoxb-1", "channel": "C0000001", "rate": "unlimited"}
    channel = SlackChannel("slack", SlackSettings.model_validate(about))
    channel._calls = SlackCallsInMemory(vendor)  # type: ignore[assignment]  # no more than what the model calls
    return channel


class PagerDutyInMemory(PagerDutyChannel):
    def __init__(self, vendor: PagerDuty) -> None:
        about = {"type": "pagerduty", "routing_key": "0" * 32, "rate": "unlimited"}
        super().__init__("pager", PagerDutySettings.model_validate(about))
        self._vendor = vendor

    async def _post(self, event: Event, progress: Mapping[str, Any] | None) -> None:
        try:
            key = event["dedup_key"]
            self._vendor.through(lambda: self._vendor.account.receive({**event, "routing_key": "0"}, key))
        except SendError as error:
            error.progress = progress
            raise


class EmailInMemory(EmailChannel):
    def __init__(self, vendor: Mail) -> None:
        about = {
            "type": "email", "smarthost": "localhost:25", "tls": "none", "from": "bridge@example.org",
            "to": ("ml@example.org",), "hello": "test", "rate": "unlimited", "timeout": SECONDS,
        }  # fmt: skip
        super().__init__("mail", EmailSettings.model_validate(about))
        self._vendor = vendor

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        box, whom = self._vendor.box, [claim.target.recipient]
        self._vendor.through(lambda: box.deliver("bridge@example.org", whom, composed.content))
        return Receipt({"revision": message.revision})


def done(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits, and so needs no event loop."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits for something")
