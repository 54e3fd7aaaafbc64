"""What there is to be asked for: every series that the code exports, with its labels and buckets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml
from prometheus_client.registry import CollectorRegistry

from bert_api.metrics import Metrics as ApiMetrics
from bert_api.model.prediction import CONFIDENCE_BOUNDS, ModelInfo
from bert_api.training.history import Run
from bridge.core.views import Health
from bridge.observability.metrics import Metrics as BridgeMetrics
from bridge.observability.metrics import StoreCollector

#: what a scrape adds to each series, by job
TARGET_LABELS = {
    "toxicity-api": {"job", "instance", "namespace", "pod"},
    "alert-bridge": {"job", "instance"},
    "prometheus": {"job", "instance"},
    "alertmanager": {"job", "instance"},
}


@dataclass
class Exported:
    """One series name: what kind it is, its labels, and the values that each label was seen with."""

    job: str
    type: str
    labels: set[str] = field(default_factory=set)
    values: dict[str, set[str]] = field(default_factory=dict)


def everything() -> dict[str, Exported]:
    """Every series name that a rule may read, apart from the recorded ones."""
    return _of_the_api() | _of_the_bridge() | _of_the_monitoring()


def _of_the_bridge() -> dict[str, Exported]:
    metrics = BridgeMetrics()
    metrics.know(["pagerduty-ml"], ["prod"], ["alertmanager"])
    registry = CollectorRegistry()
    registry.register(StoreCollector(lambda: HEALTH, ("pagerduty-ml",), {"prometheus": 300.0}))
    return _collected("alert-bridge", metrics.registry) | _collected("alert-bridge", registry)


HEALTH = Health(
    pending={},
    dead={},
    overdue_seconds={},
    paused={},
    open_incidents={},
    worker_seen_seconds=1.0,
    heartbeat_seconds={"prometheus": 1.0},
)


def _of_the_api() -> dict[str, Exported]:
    metrics = ApiMetrics("1")
    baseline = tuple((bound, bound) for bound in CONFIDENCE_BOUNDS)
    metrics.serving(ModelInfo("model", "1.0.0", "onnxruntime", "int8", 128, baseline), 1.0)
    metrics.retrained([Run("1", "model", "drift", started_at=1.0)])
    return _collected("toxicity-api", metrics.registry)


def _collected(job: str, registry: CollectorRegistry) -> dict[str, Exported]:
    found: dict[str, Exported] = {}
    for family in registry.collect():
        for sample in family.samples:
            series = found.setdefault(sample.name, Exported(job, family.type))
            series.labels |= set(sample.labels)
            for label, value in sample.labels.items():
                series.values.setdefault(label, set()).add(value)
    return found


def _of_the_monitoring() -> dict[str, Exported]:
    document = yaml.safe_load(Path(__file__).with_name("scraped_metrics.yml").read_text(encoding="utf-8"))
    return {
        name: Exported(name.partition("_")[0], entry["type"], set(entry["labels"])) for name, entry in document.items()
    }
