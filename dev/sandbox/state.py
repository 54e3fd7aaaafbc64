"""The sandbox's state, in memory and bounded, and the feed that says which part has changed."""

import asyncio
from typing import Literal

from aiohttp import web

from dev.sandbox.conversations import SlackWorkspace
from dev.sandbox.faults import FaultBoard
from dev.sandbox.incidents import PagerDutyAccount
from dev.sandbox.mailbox import Mailbox
from dev.sandbox.options import Options
from dev.sandbox.receiver import Receiver
from dev.sandbox.wire import Json

Part = Literal["pagerduty", "slack", "mail", "webhook", "faults"]
PARTS: tuple[Part, ...] = ("pagerduty", "slack", "mail", "webhook", "faults")


class Feed:
    """A version for each part; waiting tasks are woken by the next change of any of them."""

    def __init__(self) -> None:
        self.versions: dict[Part, int] = dict.fromkeys(PARTS, 0)
        self._changed = asyncio.Event()
        self.closed = False

    def touch(self, *parts: Part) -> None:
        for part in parts:
            self.versions[part] += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        await self._changed.wait()

    def close(self) -> None:
        self.closed = True
        self.touch()

    def since(self, seen: dict[Part, int]) -> list[Part]:
        return [part for part in PARTS if self.versions[part] != seen.get(part)]


class State:
    def __init__(self, history: int) -> None:
        self.feed = Feed()
        self.faults = FaultBoard()
        self.pagerduty = PagerDutyAccount(history)
        self.slack = SlackWorkspace(history)
        self.mail = Mailbox(history)
        self.webhook = Receiver(history)

    def reset(self) -> None:
        """Deletes what was received; faults stay until they are cleared."""
        self.pagerduty.reset()
        self.slack.reset()
        self.mail.reset()
        self.webhook.reset()
        self.feed.touch("pagerduty", "slack", "mail", "webhook")

    def snapshot(self) -> Json:
        return {
            "pagerduty": self.pagerduty.snapshot(),
            "slack": self.slack.snapshot(),
            "mail": self.mail.snapshot(),
            "mail_refused": list(self.mail.refused),
            "webhook": self.webhook.snapshot(),
            "faults": self.faults.snapshot(),
        }

    def summary(self) -> Json:
        return {
            "pagerduty": self.pagerduty.counts(),
            "slack": self.slack.counts(),
            "mail": self.mail.counts(),
            "webhook": self.webhook.counts(),
            "faults": len(self.faults.faults),
        }


STATE = web.AppKey("state", State)
OPTIONS = web.AppKey("options", Options)
