"""The queue before the model: bounded, in order, in time, and one request's fault is its own."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from bert_api.metrics import Metrics
from bert_api.model.classifier import Prediction
from bert_api.service.inference import (
    Inference,
    InferenceTimeout,
    Limits,
    NoFaults,
    NoModel,
    PredictionFailed,
    QueueFull,
)
from bert_api.service.serving import ModelSlot, Served
from tests.bert_api.service.api_fakes import FakeClassifier, wait_until

Make = Callable[..., Inference]


class Desk:
    """A slot, its metrics, and a queue that is closed after the test."""

    def __init__(self) -> None:
        self.classifier = FakeClassifier()
        self.slot = ModelSlot()
        self.slot.served = Served("1.0.0", self.classifier, 0.0)
        self.metrics = Metrics("0")
        self.queues: list[Inference] = []
        self.pool = ThreadPoolExecutor(16)

    def queue(self, limits: Limits | None = None, faults: NoFaults | None = None) -> Inference:
        limits = limits or Limits(threads=1, timeout_seconds=300)
        self.queues.append(Inference(lambda: self.slot.served, self.metrics, limits, faults))
        self.queues[-1].start()
        return self.queues[-1]

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)

    def close(self) -> None:
        self.classifier.open.set()
        self.pool.shutdown()
        for queue in self.queues:
            queue.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


def test_the_answer_names_the_version_that_gave_it(desk: Desk) -> None:
    answer = desk.queue().ask(["you idiot"])
    assert (answer.version, answer.predictions[0].label) == ("1.0.0", "toxic")


def test_who_waits_longest_is_asked_first(desk: Desk) -> None:
    queue = desk.queue()
    desk.classifier.open.clear()
    asked = []

    def seen(count: int) -> bool:
        return len(desk.classifier.calls) + queue.waiting == count

    for number in range(4):
        asked.append(desk.pool.submit(queue.ask, [f"number {number}", "you scum"]))
        wait_until(partial(seen, number + 1))
    desk.classifier.open.set()
    assert [[each.label for each in one.result().predictions] for one in asked] == [["non_toxic", "toxic"]] * 4
    assert [call[0] for call in desk.classifier.calls] == ["number 0", "number 1", "number 2", "number 3"]


def test_as_many_are_worked_on_at_once_as_there_are_threads(desk: Desk) -> None:
    queue = desk.queue(Limits(threads=2, timeout_seconds=300))
    desk.classifier.open.clear()
    asked = [desk.pool.submit(queue.ask, [f"number {number}"]) for number in range(3)]
    wait_until(lambda: len(desk.classifier.calls) == 2 and queue.waiting == 1)
    desk.classifier.open.set()
    assert len([one.result() for one in asked]) == 3


def test_a_caller_who_finds_the_queue_full_is_refused_at_once(desk: Desk) -> None:
    queue = desk.queue(Limits(queue=1, threads=1, timeout_seconds=300))
    desk.classifier.open.clear()
    desk.pool.submit(queue.ask, ["in the slot"])
    wait_until(lambda: desk.classifier.calls)
    desk.pool.submit(queue.ask, ["in the queue"])
    wait_until(lambda: queue.waiting)
    with pytest.raises(QueueFull):
        queue.ask(["one too many"])


def test_what_no_caller_waits_for_any_more_is_not_inferred(desk: Desk) -> None:
    queue = desk.queue(Limits(threads=1, timeout_seconds=0.05))
    desk.classifier.open.clear()
    with pytest.raises(InferenceTimeout):
        queue.ask(["slow one"])
    with pytest.raises(InferenceTimeout):
        queue.ask(["given up"])
    desk.classifier.open.set()
    wait_until(lambda: queue.waiting == 0)
    queue.close()
    assert desk.classifier.calls == [["slow one"]]
    assert desk.value("ml_prediction_errors_total", version="1.0.0", error_type="timeout") == 2


def test_a_poisoned_request_does_not_take_its_neighbours_with_it(desk: Desk) -> None:
    queue = desk.queue()
    with pytest.raises(PredictionFailed):
        queue.ask(["poison here"])
    assert queue.ask(["healthy one"]).predictions[0].label == "non_toxic"
    assert desk.value("ml_prediction_errors_total", version="1.0.0", error_type="prediction_failed") == 1


@pytest.mark.parametrize("probability", [math.nan, math.inf, -0.1, 1.5])
def test_a_probability_that_cannot_be_is_a_failed_prediction(desk: Desk, probability: float) -> None:
    def nonsense(texts: Sequence[str]) -> list[Prediction]:
        return [Prediction.of(probability, 3, truncated=False) for _ in texts]

    desk.classifier.predict = nonsense  # type: ignore[method-assign]
    with pytest.raises(PredictionFailed):
        desk.queue().ask(["a b"])


def test_without_a_model_no_caller_waits(desk: Desk) -> None:
    desk.slot.served = None
    with pytest.raises(NoModel):
        desk.queue().ask(["a b"])


def test_a_model_that_goes_while_callers_wait_is_reported_to_each(desk: Desk) -> None:
    queue = desk.queue(Limits(threads=1, timeout_seconds=300))
    desk.classifier.open.clear()
    first = desk.pool.submit(queue.ask, ["one first"])
    wait_until(lambda: desk.classifier.calls)
    waiting = desk.pool.submit(queue.ask, ["one later"])
    wait_until(lambda: queue.waiting)
    desk.slot.served = None
    desk.classifier.open.set()
    assert first.result().version == "1.0.0"
    with pytest.raises(NoModel):
        waiting.result()


def test_waiting_and_work_are_measured_apart(desk: Desk) -> None:
    clock = [0.0]
    inference = Inference(lambda: desk.slot.served, desk.metrics, Limits(timeout_seconds=60), clock=lambda: clock[0])
    entered = threading.Event()

    def predict(texts: Sequence[str]) -> list[Prediction]:
        entered.set()
        clock[0] += 2.0
        return [Prediction.of(0.1, 3, truncated=False) for _ in texts]

    desk.classifier.predict = predict  # type: ignore[method-assign]
    asked = desk.pool.submit(inference.ask, ["a b"])
    wait_until(lambda: inference.waiting)
    clock[0] += 5.0
    inference.start()
    asked.result()
    inference.close()
    assert entered.is_set()
    assert desk.value("ml_queue_duration_seconds_sum") == 5.0
    assert desk.value("ml_processing_duration_seconds_sum", version="1.0.0") == 2.0


class Scripted(NoFaults):
    """A drill that does what the test says."""

    def __init__(self, *, lose: bool = False, fail: bool = False, delay: float = 0.0) -> None:
        self.lose, self.fail, self.delay = lose, fail, delay

    def loses(self) -> bool:
        return self.lose

    def fails(self) -> bool:
        return self.fail

    def delay_seconds(self) -> float:
        return self.delay


def test_a_lost_request_times_out_without_reaching_the_model(desk: Desk) -> None:
    with pytest.raises(InferenceTimeout):
        desk.queue(Limits(timeout_seconds=0.05), Scripted(lose=True)).ask(["a b"])
    assert desk.classifier.calls == []


def test_a_drilled_failure_counts_as_any_other(desk: Desk) -> None:
    with pytest.raises(PredictionFailed):
        desk.queue(faults=Scripted(fail=True)).ask(["a b", "c d"])
    assert desk.value("ml_prediction_errors_total", version="1.0.0", error_type="prediction_failed") == 2


def test_a_drilled_delay_is_part_of_the_work(desk: Desk) -> None:
    desk.queue(faults=Scripted(delay=0.05)).ask(["a b"])
    assert (desk.value("ml_processing_duration_seconds_sum", version="1.0.0") or 0) >= 0.05


def test_what_waits_when_it_closes_is_still_answered(desk: Desk) -> None:
    queue = desk.queue(Limits(threads=1, timeout_seconds=300))
    desk.classifier.open.clear()
    asked = [desk.pool.submit(queue.ask, [f"number {number}"]) for number in range(3)]
    wait_until(lambda: desk.classifier.calls and queue.waiting == 2)
    closing = threading.Thread(target=queue.close)
    closing.start()
    desk.classifier.open.set()
    closing.join()
    assert len([one.result() for one in asked]) == 3
