"""What a version answers after its deploy is measured once, and no address more than once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bridge.core.context.probe import Answered, Target, Unanswered
from bridge.core.facts import ChangeEvent
from bridge.rendering.renderer import Renderer
from bridge.store import (
    StoreChanges,
)
from bridge.worker import Setup
from bridge.worker.probe_baselines import BaselineKeeper
from bridge.worker.probing import AddressLeases
from bridge.worker.setup import CurrentSetup
from bridge.worker.store_thread import StoreThread
from tests.worker.probe_scene import (
    API,
    GOLDEN,
    NINE_WRONG,
    Scene,
    ScriptedModel,
)


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
