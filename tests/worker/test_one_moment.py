"""A change between a claim and its message: the message shows the claimed revision; the change has its own message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity, Claim, Composed, Message, Receipt
from bridge.core.routing.tree import Route
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import Policy, StoreDeliveries, StoreIntake, StoreReader, open_database
from bridge.worker import Setup, Worker
from tests.builders import a_group, an_alert
from tests.channels.channel_builders import an_email
from tests.model.small_vendors import Slack, slack_channel

POLICY = Policy(
    Rules(),
    Route(notify=("mail", "chat")),
    {"mail": ChannelSpec("mail", ("ops@example.org",), edits=False), "chat": ChannelSpec("chat")},
)


class Mail:
    """The real mail channel, with a mailbox by Message-ID instead of a server."""

    name, kind, freezes, edits, wants_html, recipients = "mail", "email", True, False, True, ("ops@example.org",)

    def __init__(self) -> None:
        self._real = an_email()
        self.taken: list[Message] = []
        self.bytes: dict[str, set[bytes]] = {}

    def compose(self, message: Message, claim: Claim) -> Composed:
        return self._real.compose(message, claim)

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        self.taken.append(message)
        identity = next(line for line in composed.content.split(b"\r\n") if line.startswith(b"Message-ID"))
        self.bytes.setdefault(identity.decode(), set()).add(composed.content)
        return Receipt({})

    async def close(self) -> None:
        await self._real.close()


class Interrupted(StoreDeliveries):
    """After each claim, and before the worker goes on, `meanwhile` is called."""

    def __init__(self, *arguments: Any, meanwhile: Callable[[], object]) -> None:
        super().__init__(*arguments)
        self._meanwhile = meanwhile
        self._joined = self._leased = False

    def claim(self, capacities: Sequence[ChannelCapacity], now: datetime) -> list[Claim]:
        claims = super().claim(capacities, now)
        self._leased = bool(claims)
        if not self._joined:
            self._after_commit()
        return claims

    @contextmanager
    def together(self) -> Iterator[None]:
        self._joined = True
        try:
            with super().together():
                yield
        finally:
            self._joined = False
        self._after_commit()

    def _after_commit(self) -> None:
        if self._leased:
            self._leased = False
            self._meanwhile()


@pytest.mark.parametrize(
    "later", [[an_alert(ends=5)], [an_alert(ends=5), an_alert(starts=9)]], ids=["end", "end, again"]
)
def test_a_change_between_claim_and_message_is_its_own_message(tmp_path: Path, later: list[Any]) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/bridge.db")
    intake = StoreIntake(engine, lambda: POLICY, lambda: datetime.now(UTC))
    left = [a_group(alert) for alert in later]
    store = Interrupted(engine, meanwhile=lambda: left and intake.accept(left.pop(0)))
    mail, vendor = Mail(), Slack(clock=lambda: datetime.now(UTC))
    chat = slack_channel(vendor)
    chat.name = "chat"
    capacities = {name: ChannelCapacity(name, 4, None, 1, 60.0) for name in ("mail", "chat")}
    setup = Setup({"mail": mail, "chat": chat}, capacities, Renderer(None, None), timedelta(days=90))
    run(Worker(store, setup, Metrics(), lambda: datetime.now(UTC), poll_seconds=0.05), engine, intake)
    over = len(later) == 1
    assert all(message.firing is (message.state != "resolved") for message in mail.taken)
    assert all(message.firing is bool(message.firing_count) for message in mail.taken)
    assert {len(each) for each in mail.bytes.values()} == {1}, "two different mails with one Message-ID"
    assert mail.taken[-1].firing is not over
    (post,) = vendor.top()
    assert post["text"].startswith("Resolved") is over
    replies = " ".join(reply["text"] for reply in vendor.replies(post["ts"]))
    assert "every alert has ended" in replies
    assert over or "fires again" in replies
    intake.close()
    engine.dispose()


def run(worker: Worker, engine: Any, intake: StoreIntake) -> None:
    async def main() -> None:
        intake.accept(a_group(an_alert()))
        running = asyncio.create_task(worker.run())
        await asyncio.wait_for(until_delivered(StoreReader(engine)), 60)
        worker.stop()
        await asyncio.wait_for(running, 60)

    asyncio.run(main())


def until_delivered(reader: StoreReader) -> Awaitable[None]:
    async def wait() -> None:
        while {each.status for each in reader.deliveries(1)} != {"delivered"}:
            await asyncio.sleep(0.02)

    return wait()
