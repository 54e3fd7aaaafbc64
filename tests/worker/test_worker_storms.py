"""The worker's loop and a burst: only a digest is sent, even without the periodic checks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity, Claim
from bridge.core.routing.tree import Route
from bridge.core.storms.detection import StormLimits
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import Engine, Policy, StoreDeliveries, StoreReader, open_database
from bridge.store.database import transaction
from bridge.store.receiving import receive_groups
from bridge.worker import Setup, Worker
from tests.builders import a_group, an_alert
from tests.worker.machine import RecordingChannel, now

LIMITS = StormLimits(2.0)
POLICY = Policy(Rules(), Route(notify=("slack",)), {"slack": ChannelSpec("slack")}, storms={"slack": LIMITS})
CAPACITY = ChannelCapacity("slack", 4, LIMITS.per_second, 2, 60.0, LIMITS.begins_at)
BURST = 1000


class CountingStore(StoreDeliveries):
    """Counts the worker's claims."""

    claims = 0

    def claim(self, capacities: Sequence[ChannelCapacity], now: datetime) -> list[Claim]:
        self.claims += 1
        return super().claim(capacities, now)


def accept_a_burst(engine: Engine) -> None:
    groups = [a_group(an_alert(f"Slow{number}", "warning"), key=str(number)) for number in range(BURST)]
    with transaction(engine) as connection:
        receive_groups(connection, POLICY, groups, now())


def test_a_burst_is_one_digest(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/bridge.db")
    accept_a_burst(engine)
    slack = RecordingChannel("slack", "slack")
    setup = Setup({"slack": slack}, {"slack": CAPACITY}, Renderer(None, None), timedelta(days=90))

    async def main() -> None:
        store = CountingStore(engine, "w", lambda: POLICY)
        worker = Worker(store, setup, Metrics(), now, poll_seconds=0.05)  # without periodic checks
        running = asyncio.create_task(worker.run())
        while not slack.messages:
            await asyncio.sleep(0.01)
        claims = store.claims
        while store.claims < claims + 5:  # the rate would let the next one through at once
            await asyncio.sleep(0.01)
        worker.stop()
        await asyncio.wait_for(running, 300)

    asyncio.run(asyncio.wait_for(main(), 300))
    (digest,) = slack.messages
    assert digest.title == "Storm on slack"
    assert digest.summary == f"Firing: {BURST:,} incidents are suppressed on slack: {BURST:,} warning"
    assert len(StoreReader(engine).page_of_held("slack", now()).items) == BURST
    engine.dispose()
