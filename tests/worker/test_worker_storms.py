"""The worker's loop and a burst: nothing trickles, even without the periodic checks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity, Claim, Composed, Message, Receipt
from bridge.core.routing.tree import Route
from bridge.core.storms.detection import StormLimits
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import Engine, Policy, StoreDeliveries, StoreReader, open_database
from bridge.store.database import transaction
from bridge.store.receiving import receive_groups
from bridge.worker import Setup, Worker
from tests.builders import a_group, an_alert

LIMITS = StormLimits(2.0)
POLICY = Policy(Rules(), Route(notify=("slack",)), {"slack": ChannelSpec("slack")}, storms={"slack": LIMITS})
CAPACITY = ChannelCapacity("slack", 4, LIMITS.per_second, 2, 60.0, LIMITS.begins_at)
BURST = 1000


class ScriptedChannel:
    """Takes everything, and keeps what it was given."""

    kind, edits, wants_html, freezes, recipients = "slack", True, False, False, ("",)

    def __init__(self) -> None:
        self.name, self.taken = "slack", list[Message]()

    def compose(self, message: Message, claim: Claim) -> Composed:
        return Composed({})

    async def send(self, composed: Composed, message: Message, claim: Claim) -> Receipt:
        self.taken.append(message)
        return Receipt({"ts": str(message.number)})

    async def close(self) -> None:
        return


def now() -> datetime:
    return datetime.now(UTC)


def accept_a_burst(engine: Engine) -> None:
    groups = [a_group(an_alert(f"Slow{number}", "warning"), key=str(number)) for number in range(BURST)]
    with transaction(engine) as connection:
        receive_groups(connection, POLICY, groups, now())


def test_a_burst_is_one_digest(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/bridge.db")
    accept_a_burst(engine)
    slack = ScriptedChannel()
    setup = Setup({"slack": slack}, {"slack": CAPACITY}, Renderer(None, None), timedelta(days=90))

    async def main() -> None:
        store = StoreDeliveries(engine, "w", lambda: POLICY)
        worker = Worker(store, setup, Metrics(), now, poll_seconds=0.05)  # without periodic checks
        running = asyncio.create_task(worker.run())
        while not slack.taken:
            await asyncio.sleep(0.01)
        await asyncio.sleep(2)  # time for four more, if there were any
        worker.stop()
        await asyncio.wait_for(running, 300)

    asyncio.run(asyncio.wait_for(main(), 300))
    (digest,) = slack.taken
    assert (
        digest.title,
        digest.summary,
    ) == ("Storm on slack", f"Firing: {BURST:,} incidents are suppressed on slack: {BURST:,} warning")
    assert len(StoreReader(engine).page_of_held("slack", now()).items) == BURST
    engine.dispose()
