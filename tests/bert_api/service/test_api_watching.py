"""Following the pointer: switch when it moves, keep what works, try again what did not load."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bert_api.drills import Drills
from bert_api.metrics import Metrics
from bert_api.model.versions import Versions
from bert_api.service.serving import ModelSlot
from bert_api.service.watching import OneFolder, Watcher
from bert_api.training.history import RunHistory
from tests.bert_api.service.api_fakes import FakeClassifier, fake_load, wait_until, write_version


class Scene:
    """A watcher without its thread, on a clock that the test moves."""

    def __init__(self, shipped: Path, state: Path) -> None:
        self.versions = Versions(shipped, state)
        self.history = RunHistory(state)
        self.slot, self.metrics = ModelSlot(), Metrics("0", "abcdef")
        self.now = 1000.0
        self.loads: list[str] = []
        self.drills = Drills(clock=lambda: self.now)
        self.watcher = Watcher(
            self.versions,
            self._load,
            self.slot,
            self.metrics,
            runs=self.history.read,
            drills=self.drills,
            clock=lambda: self.now,
        )

    def _load(self, folder: Path) -> FakeClassifier:
        self.loads.append(folder.name)
        return fake_load(folder)

    def step(self) -> str | None:
        self.watcher.step()
        return self.slot.served.version if self.slot.served else None

    def series(self, name: str) -> dict[str, float]:
        """Version to value."""
        families = self.metrics.registry.collect()
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return {sample.labels.get("version", ""): sample.value for sample in samples}

    def load_errors(self, version: str) -> float | None:
        labels = {"version": version, "error_type": "model_load"}
        return self.metrics.registry.get_sample_value("ml_prediction_errors_total", labels)


@pytest.fixture
def scene(shipped: Path, tmp_path: Path) -> Scene:
    return Scene(shipped, tmp_path / "state")


def test_the_first_model_is_served_and_described(scene: Scene) -> None:
    assert scene.step() == "1.0.0"
    assert scene.series("ml_model_status") == {"": 1}
    assert scene.series("ml_model_info") == {"1.0.0": 1}
    assert scene.series("ml_model_loaded_timestamp_seconds") == {"1.0.0": 1000}


def test_a_model_that_stays_is_not_loaded_again(scene: Scene) -> None:
    scene.step()
    scene.step()
    assert scene.loads == ["1.0.0"]


def test_a_deploy_and_a_rollback_leave_only_the_served_version_in_the_metrics(scene: Scene) -> None:
    scene.step()
    scene.versions.activate("1.1.0")
    scene.now = 1010.0
    assert scene.step() == "1.1.0"
    assert scene.series("ml_model_info") == {"1.1.0": 1}
    assert scene.series("ml_model_loaded_timestamp_seconds") == {"1.1.0": 1010}
    assert set(scene.series("ml_confidence_baseline_cdf")) == {"1.1.0"}
    scene.versions.rollback()
    assert scene.step() == "1.0.0"
    assert scene.series("ml_model_info") == {"1.0.0": 1}


def test_a_model_that_cannot_be_loaded_leaves_the_old_one_and_counts(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.step()
    scene.versions.activate("1.2.0")
    assert scene.step() == "1.0.0"
    assert (scene.load_errors("1.2.0"), scene.load_errors("1.0.0")) == (1, 0)
    assert scene.series("ml_model_status") == {"": 1}
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert warnings == ["a model could not be loaded"]


def test_a_model_that_fails_its_warm_up_never_answers(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: FakeClassifier, texts: list[str]) -> None:
        raise RuntimeError("no kernel for this processor")

    monkeypatch.setattr(FakeClassifier, "predict", fails)
    assert scene.step() is None
    assert (scene.load_errors("1.0.0"), scene.series("ml_model_status")) == (1, {"": 0})


def test_a_load_that_failed_is_tried_again_ever_more_seldom(scene: Scene) -> None:
    scene.versions.activate("1.2.0")
    tried: list[int] = []
    for second in range(60):
        scene.now = 1000.0 + second
        scene.step()
        if len(scene.loads) > len(tried):
            tried.append(second)
    assert tried == [0, 1, 3, 8, 18, 48]
    assert scene.load_errors("1.2.0") == len(tried)


def test_a_load_that_failed_succeeds_once_its_folder_is_put_right(scene: Scene, shipped: Path) -> None:
    scene.versions.activate("1.2.0")
    assert scene.step() is None
    (shipped / "1.2.0" / "broken").unlink()
    scene.now += 60
    assert scene.step() == "1.2.0"


def test_a_pointer_to_nothing_is_said_and_survived(scene: Scene, tmp_path: Path) -> None:
    scene.step()
    (tmp_path / "state" / "current.json").write_text("{")
    assert scene.step() == "1.0.0"
    assert scene.step() == "1.0.0"
    assert scene.load_errors("none") == 1


def test_the_unload_drill_takes_the_model_away_and_its_end_loads_it_again(scene: Scene) -> None:
    scene.step()
    scene.drills.begin("unload", {"for_seconds": 30})
    assert scene.step() is None
    assert (scene.series("ml_model_status"), scene.series("ml_model_info")) == ({"": 0}, {})
    scene.now += 31
    assert scene.step() == "1.0.0"
    assert scene.loads == ["1.0.0", "1.0.0"]


def test_retrainings_of_the_trainer_are_counted(scene: Scene) -> None:
    scene.step()
    run = scene.history.started("fake", "drift", at=900.0)
    scene.step()
    value = scene.metrics.registry.get_sample_value
    labels = {"model": "fake", "trigger": "drift"}
    assert value("ml_retraining_last_start_timestamp_seconds", labels) == 900
    assert value("ml_retraining_runs_total", {"trigger": "drift", "status": "succeeded"}) == 0
    scene.history.finished(run, at=950.0, status="succeeded", version="1.3.0")
    scene.step()
    assert value("ml_retraining_runs_total", {"trigger": "drift", "status": "succeeded"}) == 1


def test_a_folder_of_ones_own_is_served_without_versions(tmp_path: Path) -> None:
    folder = write_version(tmp_path, "7.0.0")
    slot = ModelSlot()
    Watcher(OneFolder(folder), fake_load, slot, Metrics("0")).step()
    assert slot.served and slot.served.version == "7.0.0"


def test_the_thread_polls_by_itself_until_it_is_stopped(scene: Scene) -> None:
    scene.watcher.start()
    wait_until(lambda: scene.slot.served)
    scene.watcher.stop()
    assert scene.slot.served and scene.slot.served.version == "1.0.0"
