"""Follows the pointer to the version that is to be served, in a thread of its own.

Invariant: the new model is loaded and warmed beside the old one and then takes its place; whatever goes wrong before
that leaves the old one where it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bert_api.drills import Drills
from bert_api.metrics import NO_VERSION, Metrics
from bert_api.model.classifier import Classifier
from bert_api.service.serving import ModelSlot, Served
from bert_api.training.history import Run

log = logging.getLogger(__name__)
WATCH_SECONDS = 0.5
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
WARM_UP = ("Thank you, that was very kind of you.", "A longer text. " * 40)


class Source(Protocol):
    """Says which version is to be served, and where it lies."""

    def current(self) -> str: ...

    def folder(self, version: str) -> Path: ...

    def names(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class OneFolder:
    """A user's own export, served without versions."""

    path: Path

    def current(self) -> str:
        return str(self.path)

    def folder(self, version: str) -> Path:
        return self.path

    def names(self) -> Sequence[str]:
        """Only its manifest knows which version it is."""
        return ()


@dataclass(frozen=True)
class Failure:
    """How often this pointer's model could not be loaded, and when (seconds since the epoch) it is tried again."""

    pointer: str
    times: int
    again_at: float


NO_FAILURE = Failure("", 0, 0.0)


class Watcher:
    """`step` is one look; `start` repeats it until `stop`."""

    def __init__(
        self,
        source: Source,
        load: Callable[[Path], Classifier],
        slot: ModelSlot,
        metrics: Metrics,
        *,
        runs: Callable[[], Iterable[Run]] = tuple,
        drills: Drills | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source, self._load, self._slot, self._metrics = source, load, slot, metrics
        self._runs, self._drills, self._clock = runs, drills, clock
        self._pointer: str | None = None
        self._failure = NO_FAILURE
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self.step()
            except Exception:
                log.exception("watching failed")
            self._stopping.wait(WATCH_SECONDS)

    def step(self) -> None:
        if self._drills is not None:
            self._drills.tick()
            if self._drills.unloads():
                self._unload()
                return
        self._follow_pointer()
        self._metrics.retrained(self._runs())

    def _unload(self) -> None:
        if self._slot.served is not None:
            self._slot.served, self._pointer = None, None
            self._metrics.not_serving()
            log.warning("model unloaded by a drill")

    def _follow_pointer(self) -> None:
        wanted = "the version to serve"
        try:
            wanted = self._source.current()
            if wanted == self._pointer:
                self._failure = NO_FAILURE
            elif not self._must_wait(wanted):
                self._metrics.may_fail(self._version(wanted))
                self._serve(wanted, _warmed(self._load(self._source.folder(wanted))))
        except Exception as fault:
            self._failed(wanted, fault)

    def _must_wait(self, wanted: str) -> bool:
        return wanted == self._failure.pointer and self._clock() < self._failure.again_at

    def _serve(self, pointer: str, classifier: Classifier) -> None:
        before = self._slot.served
        served = Served(classifier.info.version, classifier, self._clock())
        self._metrics.serving(classifier.info, served.loaded_at)
        self._slot.served, self._pointer = served, pointer
        self._failure = NO_FAILURE
        log.info("serving", extra={"version": served.version, "before": before and before.version})

    def _failed(self, wanted: str, fault: Exception) -> None:
        """Tried again later, ever more seldom: the folder may still be on its way, or be put right."""
        times = self._failure.times + 1 if wanted == self._failure.pointer else 1
        delay = RETRY_SECONDS[min(times, len(RETRY_SECONDS)) - 1]
        if wanted != self._failure.pointer or self._clock() >= self._failure.again_at:
            self._failure = Failure(wanted, times, self._clock() + delay)
            self._metrics.failed(self._version(wanted), "model_load")
            kept = self._slot.served.version if self._slot.served else None
            details = {"wanted": wanted, "error": str(fault), "still_serving": kept, "again_in_seconds": delay}
            log.error("a model could not be loaded", extra=details)

    def _version(self, pointer: str) -> str:
        """As the metrics name it: a pointer that leads to no version is no label."""
        try:
            return pointer if pointer in self._source.names() else NO_VERSION
        except OSError:
            return NO_VERSION


def _warmed(classifier: Classifier) -> Classifier:
    """Raises when the model cannot answer, as long as no caller depends on it yet."""
    answers = classifier.predict(WARM_UP)
    if len(answers) != len(WARM_UP):
        raise ValueError(f"the warm-up asked {len(WARM_UP)} texts and got {len(answers)} answers")
    return classifier
