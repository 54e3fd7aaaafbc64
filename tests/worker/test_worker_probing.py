"""Golden texts are sent after the message, once and without delaying it; their evidence is added to it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.core.context.golden_set import GoldenFault
from bridge.core.context.probe import Baseline, Unanswered, judged
from bridge.store import (
    StoreActions,
    StoreReader,
)
from tests.worker.machine import POLICY, now
from tests.worker.probe_scene import (
    GOLDEN,
    SECRET,
    Scene,
    ScriptedModel,
    context_of,
)

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
