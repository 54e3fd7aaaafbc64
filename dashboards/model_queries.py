"""Questions about the model that more than one dashboard asks, with the windows of the alert rules."""

from __future__ import annotations

from dashboards.queries import mean, quantile, rate, share

PREDICT = 'handler="/predict"'
# As the alert on HTTP latency has it: probes and scrapes are quick, and would hide what users see.
USERS = 'handler!~"/healthz|/readyz|/metrics"'


def attempts(window: str) -> str:
    """Predictions and failures per second: the whole of which failures are a part."""
    return f"{rate('ml_predictions_total', window)} + {rate('ml_prediction_errors_total', window)}"


def error_ratio(window: str = "5m") -> str:
    return share(rate("ml_prediction_errors_total", window), f"({attempts(window)})")


def toxic_ratio(window: str = "10m") -> str:
    toxic = rate("ml_predictions_total", window, 'result="toxic"')
    return share(toxic, rate("ml_predictions_total", window))


def inference(rank: float, window: str = "5m") -> str:
    """Seconds, without the wait for the inference slot."""
    return quantile(rank, "ml_processing_duration_seconds", window)


def response(rank: float, window: str, of: str = PREDICT) -> str:
    """Seconds from the request's arrival to its answer."""
    return quantile(rank, "http_request_duration_seconds", window, of)


def mean_response(window: str) -> str:
    return mean("http_request_duration_seconds", window, PREDICT)


def fast_share(window: str) -> str:
    """The service level: inferences that took at most 100 ms."""
    fast = rate("ml_processing_duration_seconds_bucket", window, 'le="0.1"')
    return share(fast, rate("ml_processing_duration_seconds_count", window))
