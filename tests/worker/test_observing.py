"""What the log and the metrics say of attempts that ended together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from structlog.testing import capture_logs

from bridge.core.errors import Reason
from bridge.core.model import Target
from bridge.core.ports import GiveUp, Outcome, RetryAt, Sent
from bridge.observability.metrics import Metrics
from bridge.rendering.sample import sample_claim
from bridge.worker.observing import Ended, observe
from tests.builders import at

CLAIM = replace(sample_claim(firing=True), wanted_at=at(0))


def ended(channel: str, outcome: Outcome, seconds: float = 1.0) -> Ended:
    return Ended(replace(CLAIM, target=Target(channel, "")), outcome, at(0) + timedelta(seconds=seconds))


TOGETHER = [
    ended("chat", Sent({}), 1.5),
    ended("chat", Sent({}), 0.5),
    ended("pager", Sent({}, skipped=True)),
    ended("pager", RetryAt(at(9), Reason.SERVER, "HTTP 503")),
    ended("chat", GiveUp(Reason.PAYLOAD, "too long")),
]


def test_what_arrived_together_is_one_line_and_each_failure_its_own() -> None:
    with capture_logs() as lines:
        observe(Metrics(), TOGETHER)
    shown = [line for line in lines if line["log_level"] != "debug"]
    assert [line["event"] for line in shown] == ["delivered", "delivery_failed", "dead_letter"]
    expected = {"deliveries": 3, "channels": {"chat": 2, "pager": 1}, "seconds": 1.5}
    assert {key: shown[0][key] for key in expected} == expected
    assert shown[0]["incidents"] == [CLAIM.incident_number]
    assert [line["seconds"] for line in lines if line["event"] == "delivery_ended"] == [1.5, 0.5, 1.0]


def test_each_is_counted_and_what_was_skipped_has_no_latency() -> None:
    metrics = Metrics()
    observe(metrics, TOGETHER)
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }
    assert values["bridge_deliveries_total", "chat", "sent"] == 2
    assert values["bridge_deliveries_total", "chat", "dead"] == 1
    assert values["bridge_deliveries_total", "pager", "skipped"] == 1
    assert values["bridge_delivery_attempts_total", "chat", "ok"] == 2
    assert values["bridge_delivery_attempts_total", "pager", "server"] == 1
    assert values["bridge_delivery_latency_seconds_count", "chat"] == 2
    assert values["bridge_delivery_latency_seconds_sum", "chat"] == 2.0
    assert ("bridge_delivery_latency_seconds_count", "pager") not in values
