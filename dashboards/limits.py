"""The limits of the alert rules, to be shown beside the measured value: a panel never has a limit of its own.

tests/dashboards holds each of them against the rule itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.looks import Json

#: Where the bridge's pages are, as users reach them. Write your own here, then `make dashboards`; the manifests for
#: Kubernetes take that of the bridge (k8s/shared_files.py).
RUNBOOKS = "http://127.0.0.1:9119/runbooks"
COLOURS = {"critical": "red", "warning": "orange", "info": "yellow"}


@dataclass(frozen=True)
class Limit:
    """Where an alert begins, in the metric's own unit. `below`: the alert is for values under the limit."""

    alert: str
    value: float
    severity: str
    below: bool = False

    @property
    def runbook(self) -> Json:
        return {"targetBlank": True, "title": f"Runbook: {self.alert}", "url": f"{RUNBOOKS}/{self.alert}"}


LIMITS = {
    limit.alert: limit
    for limit in (
        Limit("MLErrorRateElevated", 0.01, "warning"),
        Limit("MLErrorRateCritical", 0.05, "critical"),
        Limit("MLInferenceLatencyDegraded", 0.2, "info"),
        Limit("MLInferenceLatencyCritical", 0.5, "critical"),
        Limit("MLModelNotLoaded", 1, "critical", below=True),
        Limit("MLPodMemoryHigh", 0.8, "warning"),
        Limit("MLPodMemoryOOMRisk", 0.9, "critical"),
        Limit("AppMemoryLeak", 1.5e9, "warning"),
        Limit("MLToxicRateElevated", 0.3, "info"),
        Limit("MLToxicRateHigh", 0.4, "warning"),
        Limit("MLConfidenceMeanLow", 0.65, "warning", below=True),
        Limit("MLRetrainingRequired", 0.8, "warning"),
        Limit("MLConfidenceDrift", 0.2, "warning"),
        Limit("HTTPLatencyP99High", 0.5, "warning"),
        Limit("HTTPInFlightHigh", 50, "warning"),
        # the objective itself: under it the error budget burns faster than 1, which is the slow alert's last tier
        Limit("MLLatencySLOBurnSlow", 0.95, "warning", below=True),
        Limit("BridgeDeliveriesOverdue", 300, "critical"),
        Limit("BridgeDeadLetters", 1, "warning"),
    )
}


def limits(*alerts: str) -> tuple[Limit, ...]:
    return tuple(LIMITS[alert] for alert in alerts)


def thresholds(chosen: Sequence[Limit]) -> Json:
    """Grafana colours a value by the last step that it has reached; the first step reaches down for ever."""
    below = [limit for limit in chosen if limit.below]
    lowest = COLOURS[below[0].severity] if below else "green"
    steps: list[Json] = [{"color": lowest, "value": None}]
    for limit in sorted(chosen, key=lambda each: each.value):
        steps.append({"color": "green" if limit.below else COLOURS[limit.severity], "value": limit.value})
    return {"mode": "absolute", "steps": steps}
