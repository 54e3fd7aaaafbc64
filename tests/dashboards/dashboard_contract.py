"""Which series exist, with which labels and values: what a query may name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.dashboards import dashboard_history as history

ROOT = Path(__file__).parents[2]
#: label -> values; None: any value
Known = dict[str, set[str] | None]
FROM_PROMETHEUS: Known = {"namespace": None, "job": None, "pod": None, "instance": None}
ALERTS: Known = {
    "alertname": None,
    "alertstate": {"firing", "pending"},
    "severity": {"critical", "warning", "info", "none"},
    "namespace": None,
}


@cache
def known_series() -> Mapping[str, Known]:
    """Metric -> its labels and their values, of the code, of the rules and of Prometheus itself."""
    return {**exported(), **recorded(), "ALERTS": ALERTS}


def exported() -> dict[str, Known]:
    values: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for stage in (*history.stages_of_pods(), *history.stages_of_bridges()):
        for name, labels in history.samples(stage.last):
            known = values[name]
            for label, value in labels:
                known[label].add(value)
    return {name: {**FROM_PROMETHEUS, **labels} for name, labels in values.items()}


def rules() -> list[dict[str, Any]]:
    files = sorted((ROOT / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def recorded() -> dict[str, Known]:
    """level:metric:operations; the level names the labels that are kept."""
    names = {rule["record"] for rule in rules() if "record" in rule}
    return {name: dict.fromkeys(_labels(name.split(":")[0])) for name in names}


def _labels(level: str) -> list[str]:
    several = re.sub("error_type", "error-type", level).split("_")
    return [label.replace("-", "_") for label in several]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}
