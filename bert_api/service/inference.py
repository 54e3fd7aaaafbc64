"""The bounded queue before the model, and the threads that ask it.

Law: who asks waits no longer than the timeout, waiting and work together; what nobody waits for any more is not done.
Requests that wait together are asked together: one call costs less than many.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bert_api.metrics import Metrics
from bert_api.model.classifier import Prediction
from bert_api.service.serving import Served

log = logging.getLogger(__name__)


class NoModel(Exception):
    """No model is loaded."""


class QueueFull(Exception):
    """As many requests as may wait do so already."""


class InferenceTimeout(Exception):
    """No answer came in time."""


class PredictionFailed(Exception):
    """The model broke, or answered what cannot be."""


class Faults(Protocol):
    """What a drill may do to inference."""

    def loses(self) -> bool: ...

    def fails(self) -> bool: ...

    def delay_seconds(self) -> float: ...


class NoFaults:
    """No drill."""

    def loses(self) -> bool:
        return False

    def fails(self) -> bool:
        return False

    def delay_seconds(self) -> float:
        return 0.0


@dataclass(frozen=True)
class Limits:
    """`queue` in requests, `batch_texts` in texts that one call of the model may take."""

    queue: int = 80
    batch_texts: int = 32
    threads: int = 1
    timeout_seconds: float = 10.0


@dataclass(frozen=True)
class Answer:
    version: str
    predictions: Sequence[Prediction]


@dataclass(eq=False)
class _Job:
    texts: Sequence[str]
    queued_at: float
    deadline: float
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Answer | Exception | None = None

    def settle(self, outcome: Answer | Exception) -> None:
        self.outcome = outcome
        self.done.set()


class Inference:
    """Start it before asking; close it when nobody asks any more."""

    def __init__(
        self,
        served: Callable[[], Served | None],
        metrics: Metrics,
        limits: Limits,
        faults: Faults | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._served, self._metrics, self._limits, self._clock = served, metrics, limits, clock
        self._faults: Faults = faults or NoFaults()
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"inference-{number}", daemon=True)
            for number in range(limits.threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends the threads after the call that they are in."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    @property
    def waiting(self) -> int:
        """Requests that wait for the inference slot."""
        return len(self._waiting)

    def ask(self, texts: Sequence[str]) -> Answer:
        """Raises NoModel, QueueFull, InferenceTimeout or PredictionFailed; the last two count as errors."""
        if self._served() is None:
            raise NoModel
        try:
            return self._result(self._submit(texts))
        except InferenceTimeout:
            self._metrics.failed("timeout", len(texts))
            raise
        except PredictionFailed:
            self._metrics.failed("prediction_failed", len(texts))
            raise

    def _submit(self, texts: Sequence[str]) -> _Job:
        now = self._clock()
        job = _Job(texts, now, now + self._limits.timeout_seconds)
        if self._faults.loses():
            return job  # never queued, so nobody will answer
        with self._changed:
            if len(self._waiting) >= self._limits.queue:
                raise QueueFull
            self._waiting.append(job)
            self._changed.notify()
        return job

    def _result(self, job: _Job) -> Answer:
        job.done.wait(max(0.0, job.deadline - self._clock()))
        if job.outcome is None:
            raise InferenceTimeout
        if isinstance(job.outcome, Exception):
            raise job.outcome
        return job.outcome

    def _work(self) -> None:
        while jobs := self._take():
            self._answer(jobs)

    def _take(self) -> list[_Job]:
        """What waits, oldest first, up to a batch; nothing once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed.is_set())
            jobs: list[_Job] = []
            room = self._limits.batch_texts
            while self._waiting and (not jobs or len(self._waiting[0].texts) <= room):
                job = self._waiting.popleft()
                jobs.append(job)
                room -= len(job.texts)
        now = self._clock()
        for job in jobs:
            self._metrics.queueing.observe(now - job.queued_at)
        return jobs

    def _answer(self, jobs: list[_Job]) -> None:
        now = self._clock()
        awaited = [job for job in jobs if job.deadline > now]
        failing = [job for job in awaited if self._faults.fails()]
        for job in failing:
            job.settle(PredictionFailed("a drill makes this prediction fail"))
        healthy = [job for job in awaited if job not in failing]
        if healthy:
            self._infer(healthy)

    def _infer(self, jobs: list[_Job]) -> None:
        began = self._clock()
        time.sleep(self._faults.delay_seconds())
        try:
            answers = self._predict(jobs)
        except NoModel:
            for job in jobs:
                job.settle(NoModel())
        except Exception as fault:
            self._failed(jobs, fault)
        else:
            seconds = self._clock() - began
            for job, answer in zip(jobs, answers, strict=True):
                self._metrics.processing.observe(seconds)
                job.settle(answer)

    def _failed(self, jobs: list[_Job], fault: Exception) -> None:
        """One text that the model cannot bear must not take its neighbours with it."""
        if len(jobs) > 1:
            for job in jobs:
                self._infer([job])
            return
        # The exception's own words could repeat the text, which may not reach the log.
        log.error("a prediction failed", extra={"error": type(fault).__name__, "texts": len(jobs[0].texts)})
        jobs[0].settle(PredictionFailed(type(fault).__name__))

    def _predict(self, jobs: list[_Job]) -> list[Answer]:
        served = self._served()
        if served is None:
            raise NoModel
        texts = [text for job in jobs for text in job.texts]
        predictions = served.classifier.predict(texts)
        if len(predictions) != len(texts) or any(not _is_share(each.probability) for each in predictions):
            raise PredictionFailed("the model answered what cannot be")
        rest = iter(predictions)
        return [Answer(served.version, [next(rest) for _ in job.texts]) for job in jobs]


def _is_share(value: float) -> bool:
    return math.isfinite(value) and 0 <= value <= 1
