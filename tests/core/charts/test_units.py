"""Units inferred from metric names, or none."""

from __future__ import annotations

import pytest

from bridge.core.charts.units import unit_of
from bridge.core.facts import Unit


@pytest.mark.parametrize(
    ("expr", "unit"),
    [
        ("namespace_job:ml_prediction_errors:ratio_rate5m", Unit.RATIO),
        ('max by (pod) (namespace_job_pod:app_memory_usage_bytes:ratio{job="x"})', Unit.RATIO),
        ("max by (namespace, job, pod) (app_memory_usage_bytes)", Unit.BYTES),
        ("namespace_job:http_request_duration_seconds:p99_rate5m", Unit.SECONDS),
        ("histogram_quantile(0.95, sum by (le) (rate(x_duration_seconds_bucket[5m])))", Unit.SECONDS),
        ("sum(rate(http_requests_total[5m]))", Unit.PER_SECOND),
        ("namespace_job:http_request_duration_seconds_count:rate5m", Unit.PER_SECOND),
        ("node_filesystem_avail_bytes offset 5m", Unit.BYTES),
        # a divided ratio is a factor: 3.2 times must not become 320 %
        ("namespace_job:ml_slo_latency_bad:ratio_rate1d / 0.05", Unit.NUMBER),
        ("a_bytes / b_bytes", Unit.NUMBER),
        ("rate(container_cpu_usage_seconds_total[5m])", Unit.NUMBER),
        ("rate(sent_bytes_total[5m])", Unit.NUMBER),
        ("count(x_bytes)", Unit.NUMBER),
        ("time() - x_timestamp_seconds", Unit.NUMBER),
        ("x_timestamp_seconds", Unit.NUMBER),
        ("namespace_job:ml_confidence_distribution:mean_rate15m", Unit.NUMBER),
        ("namespace_job:x_seconds_count:increase5m", Unit.NUMBER),
        ('up{metric="x_bytes"}', Unit.NUMBER),
        ("x_bytes > 5", Unit.NUMBER),
        ("", Unit.NUMBER),
    ],
)
def test_a_unit_is_inferred_only_from_a_clear_name(expr: str, unit: Unit) -> None:
    assert unit_of(expr) is unit
