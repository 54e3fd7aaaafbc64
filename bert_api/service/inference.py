"""The bounded queue before the model, and the threads that ask it.

Invariant: a caller waits no longer than the timeout, for queueing and inference together; abandoned requests are not
run. Requests are not batched: the models here run each text alone, so a batch would save nothing and make the first
wait for the last.
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

    error_type = "timeout"


class PredictionFailed(Exception):
    """The model broke, or answered what cannot be."""

    error_type = "prediction_failed"


class ImpossibleAnswer(Exception):
    """Not one probability for each text."""


class DrilledFailure(Exception):
    """A drill makes this prediction fail."""


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
    """`queue` is how many requests may wait, `threads` how many are worked on at once."""

    queue: int = 80
    threads: int = 2
    timeout_seconds: float = 10.0


@dataclass(frozen=True)
class Answer:
    version: str
    predictions: Sequence[Prediction]


@dataclass(eq=False)
class _Job:
    texts: Sequence[str]
    counted: bool
    version: str  #: served when it was asked, then the one that works on it
    queued_at: float
    deadline: float
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Answer | Exception | None = None

    def settle(self, outcome: Answer | Exception) -> None:
        self.outcome = outcome
        self.done.set()


class Inference:
    """Start it before asking; close it when there are no more callers."""

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

    def ask(self, texts: Sequence[str], *, counted: bool = True) -> Answer:
        """Raises NoModel, QueueFull, InferenceTimeout or PredictionFailed; the last two count as errors.

        counted: False for a golden probe, which no metric of the traffic shows.
        """
        served = self._served()
        if served is None:
            raise NoModel
        job = self._submit(texts, served.version, counted)
        try:
            return self._result(job)
        except (InferenceTimeout, PredictionFailed) as fault:
            if counted:
                self._metrics.failed(job.version, fault.error_type, len(texts))
            raise

    def _submit(self, texts: Sequence[str], version: str, counted: bool) -> _Job:
        now = self._clock()
        job = _Job(texts, counted, version, now, now + self._limits.timeout_seconds)
        if self._faults.loses():
            return job  # never queued, so never answered
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
        while (job := self._take()) is not None:
            now = self._clock()
            if job.counted:
                self._metrics.queueing.observe(now - job.queued_at)
            if job.deadline > now:
                job.settle(self._outcome(job))

    def _take(self) -> _Job | None:
        """The one that waits longest; None once closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed.is_set())
            return self._waiting.popleft() if self._waiting else None

    def _outcome(self, job: _Job) -> Answer | Exception:
        """Whatever goes wrong belongs to this request, and the thread goes on."""
        try:
            return self._infer(job)
        except NoModel as fault:
            return fault
        except Exception as fault:
            # The exception's own words could repeat the text, which may not reach the log.
            log.error("a prediction failed", extra={"error": type(fault).__name__, "texts": len(job.texts)})
            return PredictionFailed(type(fault).__name__)

    def _infer(self, job: _Job) -> Answer:
        began = self._clock()
        time.sleep(self._faults.delay_seconds())
        served = self._served()
        if served is None:
            raise NoModel
        job.version = served.version
        if self._faults.fails():
            raise DrilledFailure
        predictions = served.classifier.predict(job.texts)
        if len(predictions) != len(job.texts) or not all(_is_share(each.probability) for each in predictions):
            raise ImpossibleAnswer
        if job.counted:
            self._metrics.processing.labels(served.version).observe(self._clock() - began)
        return Answer(served.version, predictions)


def _is_share(value: float) -> bool:
    return math.isfinite(value) and 0 <= value <= 1
