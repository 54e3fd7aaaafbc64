"""A deterministic model, version folders that describe it, and a service around it. Run as a script, it serves."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bert_api.drills import Drills
from bert_api.metrics import Metrics
from bert_api.model import manifest
from bert_api.model.classifier import Classifier, ModelInfo, ModelLoadError, Prediction
from bert_api.model.prediction import CONFIDENCE_BOUNDS
from bert_api.service import logs, running
from bert_api.service.app import Service
from bert_api.service.inference import Inference, Limits
from bert_api.service.probing import ProbeAllowance
from bert_api.service.serving import ModelSlot, Served
from bert_api.service.settings import from_environment

RUDE = frozenset({"idiot", "moron", "scum"})
BASELINE = tuple((bound, round(bound, 2)) for bound in CONFIDENCE_BOUNDS)
MOST_TOKENS = 16
BROKEN = "broken"


class FakeClassifier:
    """Words in RUDE are toxic. `open` can be cleared to block every caller; what was asked is kept in `calls`."""

    def __init__(self, version: str = "1.0.0") -> None:
        self.info = ModelInfo("fake", version, "none 1.0", "none", MOST_TOKENS, BASELINE)
        self.open = threading.Event()
        self.open.set()
        self.calls: list[list[str]] = []

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        self.calls.append(list(texts))
        self.open.wait(300)
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Prediction:
        text.encode("utf-8")  # as the real tokenizer does: half a surrogate pair would raise
        words = text.lower().split()
        if "poison" in words:
            raise RuntimeError(f"cannot read {text}")
        probability = 0.97 if RUDE & set(words) else 0.4 if len(words) == 1 else 0.03
        return Prediction.of(probability, len(words) + 2, truncated=len(words) + 2 > MOST_TOKENS)


def fake_load(folder: Path) -> FakeClassifier:
    if (folder / BROKEN).exists():
        raise ModelLoadError(f"{folder} is broken on purpose")
    return FakeClassifier(manifest.read(folder).version)


def write_version(root: Path, version: str, *, broken: bool = False) -> Path:
    folder = root / version
    folder.mkdir(parents=True)
    described = manifest.Manifest(version, "fake", "none 1.0", "none", MOST_TOKENS, BASELINE, {"x": "y"}, {"x": "y"})
    described.write(folder)
    if broken:
        (folder / BROKEN).touch()
    return folder


def service_with(
    classifier: Classifier | None, limits: Limits | None = None, drills: Drills | None = None, probe_token: str = ""
) -> Service:
    """Everything but the watcher; close its inference."""
    metrics, slot = Metrics("0.0.0", "abcdef"), ModelSlot()
    if classifier is not None:
        slot.served = Served(classifier.info.version, classifier, 1_700_000_000.0)
        metrics.serving(classifier.info, slot.served.loaded_at)
    inference = Inference(lambda: slot.served, metrics, limits or Limits(threads=1, timeout_seconds=300), drills)
    inference.start()
    return Service(metrics, slot, inference, ProbeAllowance(probe_token, 120), drills, body_bytes=65_536)


def wait_until(condition: Callable[[], object]) -> None:
    """Within 300 seconds, or the test fails."""
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "did not happen within 300 s"
        time.sleep(0.005)


if __name__ == "__main__":
    logs.configure()
    running.serve(from_environment(os.environ), fake_load)
