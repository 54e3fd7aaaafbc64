"""The worker checks the timers between its deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity
from bridge.core.routing.tree import Route
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import Policy, StoreDeliveries, StoreEscalations, StoreIntake, StoreReader, open_database
from bridge.worker import Setup, Worker
from tests.builders import a_group, an_alert
from tests.worker.machine import RecordingChannel, now

TREE = Route(notify=("pager",), fallback=("mail",), fallback_after=timedelta(seconds=0.2))
POLICY = Policy(Rules(), TREE, {name: ChannelSpec(name) for name in ("pager", "mail")})


def test_a_worker_notifies_the_fallback_with_a_reason_and_later_the_recovered_channel(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/bridge.db")
    escalations = StoreEscalations(engine, lambda: POLICY)

    class Checks:
        def run(self, since: datetime, now: datetime) -> Sequence[str]:
            return escalations.watch(now)

    pager, mail = RecordingChannel("pager", down=True), RecordingChannel("mail")
    capacity = ChannelCapacity("pager", 4, None, 1, 60.0)
    capacities = {"pager": capacity, "mail": replace(capacity, channel="mail")}
    setup = Setup({"pager": pager, "mail": mail}, capacities, Renderer(None, None), timedelta(days=90))

    async def main() -> None:
        worker = Worker(
            StoreDeliveries(engine), setup, Metrics(), now, checks=Checks(), poll_seconds=0.05, alive_seconds=0.05
        )
        running = asyncio.create_task(worker.run())
        while not mail.messages:
            await asyncio.sleep(0.01)
        pager.down = False
        while not pager.messages:
            await asyncio.sleep(0.01)
        worker.stop()
        await asyncio.wait_for(running, 300)

    intake = StoreIntake(engine, lambda: POLICY, now)
    intake.accept(a_group(an_alert()))
    intake.close()
    asyncio.run(asyncio.wait_for(main(), 300))
    (entry,) = mail.messages[0].news
    assert entry.text.startswith("pager could not be reached for") and entry.text.endswith("notified mail instead")
    assert entry.text in mail.messages[0].text
    assert pager.messages[0].revision == 2
    assert [each.status for each in StoreReader(engine).deliveries(1)] == ["delivered", "delivered"]
    engine.dispose()
