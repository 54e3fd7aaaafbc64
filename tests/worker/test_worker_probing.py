"""Golden texts are sent after the message, once and without delaying it; their evidence is added to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from bridge.core.context.golden_set import GoldenFault, GoldenSet, golden_set
from bridge.core.context.probe import Answered, Baseline, Probe, Target, TargetAnswer, Unanswered, judged
from bridge.core.facts import ChangeEvent, Context, Fact, Unknown, newest_of
from bridge.core.model import Incident
from bridge.core.ports import ChannelCapacity, Message
from bridge.core.routing.matchers import parse_matchers
from bridge.core.timeline import EntryKind
from bridge.observability.metrics import Metrics
from bridge.rendering.renderer import Renderer
from bridge.store import (
    StoreActions,
    StoreChanges,
    StoreContexts,
    StoreDeliveries,
    StoreIntake,
    StoreProbes,
    StoreReader,
    open_database,
)
from bridge.worker import Setup, Worker
from bridge.worker.probe_baselines import BaselineKeeper
from bridge.worker.probing import AddressLeases
from bridge.worker.records import NoRecords
from bridge.worker.setup import CurrentSetup
from bridge.worker.store_thread import StoreThread
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


WRONG = "Wrong on 9 of 50 golden texts (2.0.0), 1 after the last deploy: the model"


def test_the_answer_follows_the_message_and_stays_in_it(tmp_path: Path) -> None:
    scene, model = Scene(tmp_path), ScriptedModel()
    scene.probes.keep_baseline("toxicity-api", GOLDEN.digest, Baseline("2.0.0", 1, 50, now()))

    async def main() -> None:
        async with scene.worker(model):
            await scene.messages(2)

    asyncio.run(main())
    first, second = (context_of(message) for message in scene.channel.messages)
    assert (first.facts, [fact.name for fact in second.facts]) == ((), ["golden_texts"])
    assert scene.learned() == [(WRONG, True)]
    assert model.asked == ["all"]
    kept = StoreReader(scene.engine).context(1, now())
    assert kept is not None and kept.facts == second.facts


def test_the_message_does_not_wait_for_a_model_that_hangs(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    async def main() -> None:
        model = ScriptedModel(gate=asyncio.Event())
        async with scene.worker(model):
            await scene.messages(1)
            async with asyncio.timeout(300):
                while not model.asked:
                    await asyncio.sleep(0.02)

    asyncio.run(main())
    assert (len(scene.channel.messages), scene.learned()) == (1, [])


def test_a_missing_answer_is_a_quiet_entry(tmp_path: Path) -> None:
    scene, model = Scene(tmp_path), ScriptedModel(Unanswered("api-0", "HTTP 503"))

    async def main() -> None:
        async with scene.worker(model):
            await scene.messages(2)

    asyncio.run(main())
    said = "Golden texts answered wrong: no answer from api-0 (HTTP 503)"
    assert scene.learned() == [(f"{said}; unknown whether the model or the traffic changed", False)]
    assert [each.why for each in context_of(scene.channel.messages[1]).unknown] == ["no answer from api-0 (HTTP 503)"]


def test_golden_texts_that_cannot_be_read_are_unknown(tmp_path: Path) -> None:
    scene, model = Scene(tmp_path), ScriptedModel(fault=GoldenFault("golden.csv: No such file or directory"))

    async def main() -> None:
        async with scene.worker(model):
            await scene.messages(2)

    asyncio.run(main())
    ((said, loud),) = scene.learned()
    assert (loud, "the golden texts cannot be read" in said, model.asked) == (False, True, [])


def test_a_bug_in_the_probe_affects_no_message_and_shows_no_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    scene, model = Scene(tmp_path), ScriptedModel(fault=RuntimeError(SECRET))

    async def main() -> None:
        async with scene.worker(model):
            await scene.messages(1)
            async with asyncio.timeout(300):
                while not model.asked:
                    await asyncio.sleep(0.02)

    asyncio.run(main())
    written = capsys.readouterr()
    assert SECRET not in written.out + written.err + caplog.text
    assert (len(scene.channel.messages), scene.learned()) == (1, [])


@pytest.mark.parametrize(("cause", "messages", "probed"), [("toxicity", 2, 1), ("latency", 1, 0)])
def test_an_incident_is_probed_once_and_only_if_it_concerns_the_answers_of_the_model(
    tmp_path: Path, cause: str, messages: int, probed: int
) -> None:
    scene, model = Scene(tmp_path, cause), ScriptedModel()
    actions = StoreActions(scene.engine, lambda: POLICY)

    async def main() -> None:
        async with scene.worker(model):
            await scene.messages(messages)
        actions.add_measurements(1, "something else", now())
        async with scene.worker(model):  # as after a restart
            await scene.messages(messages + 1)

    asyncio.run(main())
    assert len([text for text, _ in scene.learned() if "golden" in text]) == probed


def test_evidence_of_an_earlier_outbreak_is_not_used(tmp_path: Path) -> None:
    scene, model = Scene(tmp_path), ScriptedModel()
    assert scene.probes.begin_probe(1, now())
    scene.probes.save_probe(1, judged([model.answer], [], now()), now() - timedelta(hours=1))

    async def main() -> None:
        async with scene.worker(model):
            await scene.messages(1)

    asyncio.run(main())
    assert context_of(scene.channel.messages[0]).facts == ()


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def kept(scene: Scene, clock: Clock, model: ScriptedModel, after: Iterable[float] = (0.0,)) -> list[str]:
    """The versions with a baseline after checks at these seconds."""
    start = clock.now

    async def main() -> None:
        thread = StoreThread("database")
        setup = CurrentSetup(Setup({}, {}, Renderer(None, None), timedelta(days=1), probes=(model,)))
        keeper = BaselineKeeper(thread, scene.probes, setup, clock)
        for seconds in after:
            clock.now = start + timedelta(seconds=seconds)
            await keeper.look()
        thread.close()

    asyncio.run(main())
    return [each.version for each in scene.probes.baselines("toxicity-api", GOLDEN.digest)]


def test_the_first_answer_of_a_new_version_is_its_baseline(tmp_path: Path) -> None:
    scene, clock, model = Scene(tmp_path, cause="latency"), Clock(), ScriptedModel()
    assert kept(scene, clock, model, (0.0, 60.0, 601.0)) == ["2.0.0"]
    assert model.asked == ["version", "all", "version"], "within ten minutes nothing is asked, and then one text"


def test_no_baseline_is_stored_while_an_incident_about_the_answers_is_open(tmp_path: Path) -> None:
    scene, model = Scene(tmp_path), ScriptedModel()
    assert kept(scene, Clock(), model) == []
    assert model.asked == []


def test_without_an_answer_it_checks_every_minute(tmp_path: Path) -> None:
    """As at the start, when Prometheus does not know the addresses yet."""
    scene, clock, model = Scene(tmp_path, cause="latency"), Clock(), ScriptedModel(Unanswered("api-0", "HTTP 503"))
    assert kept(scene, clock, model, (0.0, 61.0)) == []
    model.answer = NINE_WRONG
    assert kept(scene, clock, model, (61.0,)) == ["2.0.0"]
    assert model.asked == ["version", "version", "version", "all"]


def test_after_a_change_it_checks_every_minute(tmp_path: Path) -> None:
    scene, clock, model = Scene(tmp_path, cause="latency"), Clock(), ScriptedModel()
    change = ChangeEvent("deploy", "toxicity-api", clock.now, "deployed", version="2.0.0", id="1")
    StoreChanges(scene.engine, lambda: clock.now + timedelta(seconds=30)).record(change)
    kept(scene, clock, model, (0.0, 61.0, 122.0))
    assert model.asked == ["version", "all", "version", "version"]


def test_a_model_that_does_not_answer_or_names_no_version_has_no_baseline(tmp_path: Path) -> None:
    scene = Scene(tmp_path, cause="latency")
    for answer in (Unanswered("api-0", "HTTP 503"), Answered("api-0", "", 0, 50)):
        assert kept(scene, Clock(), ScriptedModel(answer)) == []


def test_an_address_probed_recently_is_probed_after_its_interval(tmp_path: Path) -> None:
    scene, clock = Scene(tmp_path), Clock()
    scene.probes.lease_addresses([API.url], timedelta(minutes=1), clock.now)
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)
        clock.now += timedelta(seconds=seconds)

    async def main(pause: Callable[[float], Awaitable[None]], tries: int) -> Sequence[Target]:
        thread = StoreThread("database")
        found = await AddressLeases(thread, scene.probes, clock).acquired([API], pause, tries)
        thread.close()
        return found

    assert asyncio.run(main(pause, 1)) == []
    assert asyncio.run(main(pause, 3)) == [API]
    assert waited == [60.0]
