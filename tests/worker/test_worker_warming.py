"""Before it is ready, a worker does what its first message would otherwise wait for, and nothing else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bridge.app import worker_process
from bridge.app.reload import Configuration
from bridge.app.worker_process import WorkerTasks
from bridge.core.facts import ChangeEvent
from bridge.core.model import Incident
from bridge.core.ports import ChannelCapacity, Claim, Composed, Message
from bridge.observability.metrics import Metrics
from bridge.processes.lifeline import Beat
from bridge.rendering.renderer import Renderer
from bridge.store import StoreDeliveries, StoreIntake, StoreReader, open_database
from bridge.store.tables import metadata
from bridge.worker import Setup, Worker
from bridge.worker.records import NoRecords
from tests.builders import a_group, an_alert
from tests.worker.machine import POLICY, RecordingChannel, now

ROUTES = """
channels: {pager: {type: pagerduty, routing_key: "${KEY}", base_url: "http://127.0.0.1:9"}}
route: {notify: [pager]}
"""


def rows(engine: sa.Engine) -> dict[str, list[tuple[object, ...]]]:
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(sa.select(table))]
            for table in metadata.tables.values()
        }


class Composes(RecordingChannel):
    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__()
        self.composed: list[Message] = []
        self._fault = fault

    def compose(self, message: Message, claim: Claim) -> Composed:
        self.composed.append(message)
        if self._fault is not None:
            raise self._fault
        return Composed({})


class Records(NoRecords):
    def __init__(self) -> None:
        self.asked: list[str] = []

    def changes_before(self, incident: Incident) -> Sequence[ChangeEvent]:
        self.asked.append("changes")
        raise OSError("the disk")


def warmed_up(engine: sa.Engine, channels: dict[str, Composes]) -> Records:
    records = Records()
    capacities = {name: ChannelCapacity(name, 4, None, 1, 60.0) for name in channels}

    async def main() -> None:
        setup = Setup(channels, capacities, Renderer(None, None), timedelta(days=90))
        worker = Worker(StoreDeliveries(engine, "w"), setup, Metrics(), now, records=records)
        await worker.warm_up()
        worker.stop()
        await worker.run()

    asyncio.run(main())
    return records


def test_it_composes_for_each_channel_and_neither_sends_nor_leases(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/bridge.db")
    intake = StoreIntake(engine, lambda: POLICY, now)
    intake.accept(a_group(an_alert()))
    intake.close()
    before, channels = rows(engine), {"broken": Composes(RuntimeError("a bug")), "pager": Composes()}
    records = warmed_up(engine, channels)
    assert [len(each.composed) for each in channels.values()] == [1, 1]
    assert [message for each in channels.values() for message in each.messages] == []
    assert rows(engine) == before
    assert records.asked == ["changes"]
    engine.dispose()


def test_the_bridge_counts_as_ready_only_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "k" * 32)
    config, database = tmp_path / "routes.yaml", f"sqlite:///{tmp_path}/bridge.db"
    config.write_text(ROUTES)
    seen: list[float | None] = []

    def check() -> None:
        engine = open_database(database)
        seen.append(StoreReader(engine).health(now()).worker_seen_seconds)
        engine.dispose()

    async def warm_up(self: WorkerTasks) -> None:
        check()

    async def run(self: WorkerTasks, beat: object) -> None:
        check()
        await asyncio.to_thread(self._listener.close)

    monkeypatch.setattr(WorkerTasks, "warm_up", warm_up)
    monkeypatch.setattr(WorkerTasks, "run", run)
    asyncio.run(worker_process._work(Configuration(config, "worker"), database, Beat()))
    first, second = seen
    assert first is None and second is not None


def test_importing_the_drawing_process_loads_no_drawing_library() -> None:
    script = "import sys, bridge.charts.__main__; print([n for n in ('matplotlib', 'numpy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_database_that_goes_while_a_worker_starts_does_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "k" * 32)
    config, file, ran = tmp_path / "routes.yaml", tmp_path / "bridge.db", []
    config.write_text(ROUTES)

    async def warm_up(self: WorkerTasks) -> None:
        file.rename(tmp_path / "aside")

    async def run(self: WorkerTasks, beat: object) -> None:
        ran.append(self)
        (tmp_path / "aside").rename(file)
        await asyncio.to_thread(self._listener.close)

    monkeypatch.setattr(WorkerTasks, "warm_up", warm_up)
    monkeypatch.setattr(WorkerTasks, "run", run)
    asyncio.run(worker_process._work(Configuration(config, "worker"), f"sqlite:///{file}", Beat()))
    assert len(ran) == 1
