"""A day and more of two namespaces and two bridges, as OpenMetrics text that promtool makes a database of.

Between two scrapes of the real code counters grow evenly and gauges stay: so every rate is known exactly. The last
hour is dense; before it a sample every ten minutes is enough, and quick to make.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.dashboards import dashboard_exporters as exporters

HOUR = 3600
#: the end of the history, on the edge of a two-hour block
NOW = 1_768_003_200
BEGIN = NOW - 27 * HOUR
DEPLOYED = NOW - 2 * HOUR
RETRAINED = NOW - 3 * HOUR
OLD, NEW = "2026.1", "2026.2"

Labels = Mapping[str, str]
Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Stage:
    """From one scrape of a target to another; the labels are those that Prometheus adds."""

    begin: int
    end: int
    first: bytes
    last: bytes
    target: Labels


def everything() -> str:
    lines = [line for stage in (*stages_of_pods(), *stages_of_bridges()) for line in _lines(stage)]
    return "\n".join([*lines, *_recorded(), *_alerts(), "# EOF", ""])


def stages_of_pods() -> Iterator[Stage]:
    yield from _pod("ml", "toxicity-api-a", toxic_of_ten=3, errors=3)
    yield from _pod("ml", "toxicity-api-b", toxic_of_ten=6, errors=12, busy=2)
    yield from _pod("staging", "toxicity-api-c", toxic_of_ten=1, errors=0)


def _pod(namespace: str, pod: str, *, toxic_of_ten: int, errors: int, busy: int = 1) -> Iterator[Stage]:
    target = {"namespace": namespace, "job": "toxicity-api", "pod": pod, "instance": f"{pod}:9000"}
    metrics = exporters.a_pod()
    exporters.serve(metrics, OLD, BEGIN - 86_400)
    for begin, end, version in ((BEGIN, DEPLOYED, OLD), (DEPLOYED, NOW, NEW)):
        exporters.serve(metrics, version, begin if version == NEW else BEGIN - 86_400)
        first = metrics.exposition()
        for _ in range((end - begin) // HOUR):
            exporters.an_hour(metrics, version, toxic_of_ten=toxic_of_ten, errors=errors, busy=busy)
        exporters.retrain(metrics, RETRAINED)
        yield Stage(begin, end, first, metrics.exposition(), target)


def stages_of_bridges() -> Iterator[Stage]:
    """Two on one database: each counts its own work, and both report the same backlog."""
    for instance in ("bridge-0:9119", "bridge-1:9119"):
        target = {"namespace": "alerting", "job": "alert-bridge", "instance": instance}
        metrics = exporters.a_bridge()
        first = exporters.exposition_of_bridge(metrics)
        exporters.a_day(metrics)
        yield Stage(BEGIN, NOW, first, exporters.exposition_of_bridge(metrics), target)


def samples(exposition: bytes) -> dict[Key, float]:
    families = text_string_to_metric_families(exposition.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def _lines(stage: Stage) -> Iterator[str]:
    first, last = samples(stage.first), samples(stage.last)
    for (name, labels), value in last.items():
        start = first.get((name, labels), 0.0) if name.endswith(("_total", "_bucket", "_sum", "_count")) else value
        slope = (value - start) / (stage.end - stage.begin)
        head = _series(name, dict(labels) | dict(stage.target))
        for moment in _moments(stage.begin, stage.end):
            yield f"{head} {start + slope * (moment - stage.begin)!r} {moment}"


def _moments(begin: int, end: int) -> list[int]:
    dense = max(begin, NOW - HOUR)
    return [*range(begin, min(end, dense), 600), *range(dense, end + (end == NOW), 30)]


def _series(name: str, labels: Labels) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inside}}}"


def _recorded() -> Iterator[str]:
    """What the rules would have recorded: constant, because the samples behind it are."""
    service = {"namespace": "ml", "job": "toxicity-api"}
    yield from _constant(
        "namespace_job_version:ml_confidence_distribution:psi_rate1h", service | {"version": NEW}, 0.12
    )
    yield from _constant("namespace_job:ml_confidence_distribution:mean_rate15m", service, 0.84)
    yield from _constant("namespace_job:ml_confidence_distribution_low:ratio_rate30m", service, 0.1)
    yield from _constant("namespace_job:ml_slo_latency_bad:avg30d_ratio_rate5m", service, 0.02)
    yield from _constant("namespace_job:ml_prediction_errors:ratio_rate5m", service, 15 / 315)


def _alerts() -> Iterator[str]:
    """One alert fires twice within the last hour, another once; the Watchdog always."""
    labels = {"alertstate": "firing", "namespace": "ml", "job": "toxicity-api"}
    elevated = {**labels, "alertname": "MLErrorRateElevated", "severity": "warning"}
    yield from _constant("ALERTS", elevated, 1, NOW - 3000, NOW - 2400)
    yield from _constant("ALERTS", elevated, 1, NOW - 600, NOW)
    degraded = {**labels, "alertname": "MLInferenceLatencyDegraded", "severity": "info"}
    yield from _constant("ALERTS", degraded, 1, NOW - 1200, NOW)
    yield from _constant("ALERTS", {"alertname": "Watchdog", "alertstate": "firing", "severity": "none"}, 1)


def _constant(name: str, labels: Labels, value: float, begin: int = BEGIN, end: int = NOW) -> Iterator[str]:
    head = _series(name, labels)
    for moment in _moments(begin, end) if end == NOW else range(begin, end, 30):
        yield f"{head} {value!r} {moment}"
