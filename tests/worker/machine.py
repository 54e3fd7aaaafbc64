"""A worker over a real store in a temporary folder, and channels that do what a script says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop

from bridge.core.errors import Reason, SendError
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec, Group
from bridge.core.ports import ChannelCapacity, Claim, Composed, Message, Receipt
from bridge.core.routing.tree import Route
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import Policy, StoreDeliveries, StoreIntake, StoreReader, open_database
from bridge.worker import Setup, Worker

POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})


def now() -> datetime:
    return datetime.now(UTC)


class ScriptedChannel:
    """Each send takes the next step of the script: an error, a receipt, or None for success."""

    kind, edits, wants_html, recipients = "pagerduty", True, False, ("",)

    def __init__(self, *script: Exception | Receipt | None, freezes: bool = False) -> None:
        self.name, self.freezes = "pager", freezes
        self.script = list(script)
        self.claims: list[Claim] = []
        self.gate: asyncio.Event | None = None
        self.closed = False

    def compose(self, message: Message, claim: Claim) -> Composed:
        return Composed(claim.frozen or f"mail {message.revision}".encode() if self.freezes else {})

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        self.claims.append(claim)
        if self.gate is not None:
            await self.gate.wait()
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        return step or Receipt({"state": "triggered"})

    async def close(self) -> None:
        self.closed = True


class RecordingChannel:
    """Accepts every message and records it; refuses all while it is down."""

    edits, wants_html, freezes, recipients = True, False, False, ("",)

    def __init__(self, name: str = "pager", kind: str = "pagerduty", *, down: bool = False) -> None:
        self.name, self.kind, self.down = name, kind, down
        self.messages: list[Message] = []

    def compose(self, message: Message, claim: Claim) -> Composed:
        return Composed({})

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        if self.down:
            raise SendError(Reason.SERVER, "HTTP 503")
        self.messages.append(message)
        return Receipt({"ts": str(message.number)})

    async def close(self) -> None:
        return


class Machine:
    """One worker, one channel and one database."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_database(f"sqlite:///{folder}/bridge.db")
        self.store: Any = StoreDeliveries(self.engine)
        self.reader = StoreReader(self.engine)

    def accept(self, *groups: Group) -> None:
        intake = StoreIntake(self.engine, lambda: POLICY, now)
        for group in groups:
            intake.accept(group)
        intake.close()

    def run(self, channel: ScriptedChannel, until: Callable[[Worker], Awaitable[None]]) -> None:
        capacity = ChannelCapacity("pager", 4, None, 1, 60.0)
        setup = Setup({"pager": channel}, {"pager": capacity}, Renderer(None, None), timedelta(days=90))

        async def main() -> None:
            worker = Worker(self.store, setup, Metrics(), now, poll_seconds=0.05)
            running = asyncio.create_task(worker.run())
            await asyncio.wait_for(until(worker), 300)
            worker.stop()
            await asyncio.wait_for(running, 300)

        uvloop.run(main())  # as the worker's process does

    def status(self) -> str:
        return self.reader.deliveries(1)[0].status


def until_sent(channel: ScriptedChannel, attempts: int) -> Callable[[Worker], Awaitable[None]]:
    async def wait(_worker: Worker) -> None:
        while len(channel.claims) < attempts:
            await asyncio.sleep(0.01)

    return wait
