"""A worker with a model that answers golden texts as a test wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from bridge.core.context.golden_set import GoldenFault, GoldenSet, golden_set
from bridge.core.context.probe import Answered, Probe, Target, TargetAnswer
from bridge.core.facts import ChangeEvent, Context, Fact, Unknown, newest_of
from bridge.core.model import Incident
from bridge.core.ports import ChannelCapacity, Message
from bridge.core.routing.matchers import parse_matchers
from bridge.core.timeline import EntryKind
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import (
    StoreActions,
    StoreContexts,
    StoreDeliveries,
    StoreIntake,
    StoreProbes,
    StoreReader,
    open_database,
)
from bridge.worker import Setup, Worker
from bridge.worker.records import NoRecords
from tests.builders import a_group, an_alert
from tests.worker.machine import POLICY, RecordingChannel, now

SECRET = "a-text-that-must-stay-secret"
GOLDEN = golden_set(("label,text\n" + f"civil,{SECRET}\n" * 50).encode())
API = Target("api-0", "http://api-0:8100/predict")
NINE_WRONG = Answered("api-0", "2.0.0", 9, 50)
PROBE = Probe("toxicity-api", parse_matchers('cause="toxicity"'))


@dataclass
class ScriptedModel:
    """Returns the scripted answer, at one address."""

    answer: TargetAnswer = NINE_WRONG
    probe: Probe = PROBE
    fault: Exception | None = None
    gate: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list)

    def golden(self) -> GoldenSet:
        if isinstance(self.fault, GoldenFault):
            raise self.fault
        return GOLDEN

    async def targets(self, labels: Mapping[str, str]) -> tuple[Target, ...]:
        return (API,)

    async def ask(self, targets: Sequence[Target], golden: GoldenSet) -> Sequence[TargetAnswer]:
        self.asked.append("all")
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return [self.answer for _ in targets]

    async def versions(self, targets: Sequence[Target], golden: GoldenSet) -> Sequence[TargetAnswer]:
        self.asked.append("version")
        return [self.answer for _ in targets]

    async def close(self) -> None:
        return


class PassingGatherer:
    """A context with only the facts learned elsewhere."""

    async def gather(
        self,
        incident: Incident,
        changes: Sequence[ChangeEvent],
        *,
        known: bool = True,
        learned: Sequence[Fact | Unknown] = (),
    ) -> Context:
        facts = tuple(each for each in learned if isinstance(each, Fact))
        return Context(now(), facts, tuple(each for each in learned if isinstance(each, Unknown)))

    async def close(self) -> None:
        return


class Scene:
    """One incident about toxicity, in a real store, and a worker with one channel."""

    def __init__(self, folder: Path, cause: str = "toxicity") -> None:
        self.engine: sa.Engine = open_database(f"sqlite:///{folder}/bridge.db")
        intake = StoreIntake(self.engine, lambda: POLICY, now)
        alert = replace(an_alert(cause=cause), starts_at=now() - timedelta(minutes=1))
        intake.accept(a_group(alert))
        intake.close()
        self.channel, self.probes = RecordingChannel(), StoreProbes(self.engine)

    @asynccontextmanager
    async def worker(self, *models: ScriptedModel) -> AsyncIterator[Worker]:
        actions, contexts = StoreActions(self.engine, lambda: POLICY), StoreContexts(self.engine)

        class Records(NoRecords):
            def add_measurements(self, number: int, text: str, *, loud: bool = True) -> None:
                actions.add_measurements(number, text, now(), loud=loud)

            def save_contexts(self, found: Mapping[int, Context]) -> None:
                contexts.keep(found)

        capacities = {"pager": ChannelCapacity("pager", 4, None, 1, 60.0)}
        setup = Setup(
            {"pager": self.channel},
            capacities,
            Renderer(None, None),
            timedelta(days=90),
            PassingGatherer(),
            probes=models,
        )
        store = StoreDeliveries(self.engine, "w")
        worker = Worker(store, setup, Metrics(), now, records=Records(), probes=self.probes, poll_seconds=0.05)
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await asyncio.wait_for(running, 300)

    async def messages(self, count: int) -> None:
        async with asyncio.timeout(300):
            while len(self.channel.messages) < count:
                await asyncio.sleep(0.02)

    def learned(self) -> list[tuple[str, bool]]:
        entries = StoreReader(self.engine).timeline(1)
        return [(entry.text, entry.loud) for entry in entries if entry.kind is EntryKind.LEARNED]


def context_of(message: Message) -> Context:
    assert message.context is not None
    return newest_of(message.context)
