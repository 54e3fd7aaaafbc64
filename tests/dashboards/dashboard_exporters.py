"""What the code exports: its own metrics are driven and scraped, and nothing is written by hand.

One hour of traffic is 100 texts for a pod, in shares that make the dashboards' values easy to compute on paper.
"""

from __future__ import annotations

from bert_api.metrics import Metrics as ModelMetrics
from bert_api.model.prediction import CONFIDENCE_BOUNDS, ModelInfo
from bert_api.training.history import Run
from bridge.core.ports import Accepted, WebhookOutcome
from bridge.core.views import Health
from bridge.observability.metrics import Metrics as BridgeMetrics

MIB = 1024 * 1024
CHANNELS = ("pagerduty-ml", "slack-ml", "email-ml")
BASELINE = tuple((upper, round(upper**4, 4)) for upper in CONFIDENCE_BOUNDS)
#: (confidence, level, language) of ten texts; the first of them are the toxic ones
TEXTS = (
    (0.97, "high", "en"),
    (0.72, "medium", "en"),
    (0.58, "low", "fr"),
    (0.91, "high", "de"),
    (0.99, "high", "en"),
    (0.96, "high", "fr"),
    (0.88, "high", "fr"),
    (0.94, "high", "xx"),
    (0.81, "medium", "en"),
    (0.64, "medium", "de"),
)
#: seconds -> how many of 100 inferences took that long: P95 is in the bucket from 0.2 to 0.3, 80 are within 0.1
INFERENCES = {0.04: 50, 0.08: 30, 0.12: 10, 0.18: 4, 0.25: 4, 0.45: 2}
#: the same for requests; their sum is 11.55
REQUESTS = {0.04: 40, 0.09: 35, 0.2: 20, 0.4: 3, 0.8: 2}


def a_pod() -> ModelMetrics:
    """An API that has just started."""
    metrics = ModelMetrics("1.4.0", "abc1234")
    metrics.watch_memory(lambda: 900.0 * MIB, lambda: 2048.0 * MIB)
    for handler in ("/predict", "/metrics"):
        metrics.requests.labels("POST" if handler == "/predict" else "GET", handler, "200")
    return metrics


def serve(metrics: ModelMetrics, version: str, loaded_at: float) -> None:
    metrics.serving(ModelInfo("toxicity", version, "onnxruntime", "int8", 256, BASELINE), loaded_at)
    metrics.in_progress.set(3)


def an_hour(metrics: ModelMetrics, version: str, *, toxic_of_ten: int, errors: int, busy: int = 1) -> None:
    """`busy` times 100 texts, of each ten the first `toxic_of_ten` toxic; then as many failures as `errors`."""
    for _ in range(busy * 10):
        for position, (confidence, level, language) in enumerate(TEXTS):
            result = "toxic" if position < toxic_of_ten else "non_toxic"
            metrics.predicted(
                version, result, level, confidence, 20 + position, language=language, truncated=position == 0
            )
    for _ in range(busy):
        _times(metrics, version)
    metrics.failed(version, "prediction_failed", errors - errors // 3)
    metrics.failed(version, "timeout", errors // 3)


def _times(metrics: ModelMetrics, version: str) -> None:
    for seconds, count in INFERENCES.items():
        for _ in range(count):
            metrics.processing.labels(version).observe(seconds)
            metrics.queueing.observe(seconds / 10)
    for seconds, count in REQUESTS.items():
        for _ in range(count):
            metrics.requests.labels("POST", "/predict", "200").observe(seconds)
            metrics.requests.labels("GET", "/metrics", "200").observe(0.001)


def retrain(metrics: ModelMetrics, started: float) -> None:
    metrics.retrained([Run("7f3a", "toxicity", "drift", started, started + 600, "succeeded")])


def a_bridge() -> BridgeMetrics:
    metrics = BridgeMetrics()
    metrics.know(CHANNELS, ("prod",), ("alertmanager",))
    return metrics


def a_day(metrics: BridgeMetrics) -> None:
    """Ten incidents; pages arrive in under a second, mail in under a minute, and Slack refuses twice."""
    for outcome in ("opened", "changed", "resolved"):
        for number in range(10):
            metrics.accepted("prod", 2, Accepted(number, WebhookOutcome(outcome)))
    metrics.refused("prod", "unauthorized")
    for seconds, count in {0.004: 50, 0.2: 3}.items():
        for _ in range(count):
            metrics.webhook_seconds.labels("alertmanager").observe(seconds)
    for seconds, channel in ((0.2, "pagerduty-ml"), (0.7, "slack-ml"), (20.0, "email-ml")):
        for _ in range(20):
            metrics.sent(channel, [seconds])
    metrics.sent("slack-ml", [], skipped=1)
    for reason in ("rate_limited", "network"):
        metrics.failed("slack-ml", reason)
    metrics.dead("slack-ml", "destination")


def exposition_of_bridge(metrics: BridgeMetrics) -> bytes:
    health = Health(
        pending={("email-ml", "warning"): 3, ("slack-ml", "info"): 2},
        dead={"slack-ml": 1},
        overdue_seconds={"email-ml": 45.0},
        paused={"slack-ml": "rate_limited"},
        open_incidents={"critical": 1, "warning": 2},
        worker_seen_seconds=1.5,
    )
    return metrics.exposition(lambda: health, CHANNELS)
