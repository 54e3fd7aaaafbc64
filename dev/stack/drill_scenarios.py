"""The drills as data: which fault causes which alert. The first of a scenario is the default.

Rates are in requests a second and come on top of what `make up` sends (4 a second, one text in eight rude). Shares are
chosen far enough from the limits that the statistics of a few hundred requests do not decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dev.stack.drill_faults import (
    Fault,
    another_version,
    frozen,
    leak_up_to,
    memory_of_limit,
    misbehave,
    retraining,
    send,
    surge,
)

# PromQL of what a drill shows while it waits.
ERRORS = "namespace_job:ml_prediction_errors:ratio_rate5m"
LATENCY = "namespace_job:ml_processing_duration_seconds:p95_rate5m"
HTTP_LATENCY = "namespace_job:http_request_duration_seconds:p99_rate5m"
MEMORY = 'namespace_job_pod:app_memory_usage_bytes:ratio{pod="toxicity-api-0"}'
TOXIC = "namespace_job:ml_predictions_toxic:ratio_rate10m"
MODEL = 'min(ml_model_status{job="toxicity-api"})'
VERSIONS = 'count(count by (version) (ml_model_info{job="toxicity-api"}))'
SURGE = (
    "max(namespace_job:http_request_duration_seconds_count:rate5m / on (namespace, job) "
    "clamp_min(namespace_job:http_request_duration_seconds_count:median1d_rate5m, 0.1))"
)
# Only one version in the last 40 minutes, and one that was there 10 minutes ago.
ONE_VERSION = (
    'count(count by (version) (max_over_time(ml_model_info{job="toxicity-api"}[40m]))) == 1 '
    'and count(ml_model_info{job="toxicity-api"} offset 11m) > 0'
)
MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class Drill:
    """`measure` is the PromQL to show (in `unit`), `limit` what it exceeds when the alert fires. `before` must have an
    answer first; its durations, and the seconds of `window` (the condition's range), are real time.
    """

    scenario: str
    alert: str
    does: str
    faults: tuple[Fault, ...]
    measure: str
    unit: str
    limit: str
    window: int
    before: str = ""


DRILLS = (
    Drill(
        "errors", "MLErrorRateCritical", "30 % of the requests fail inside the model",
        (misbehave("failing", share=0.3), send("normal", 4)), ERRORS, "%", "more than 5 %", 5 * MINUTE,
    ),
    Drill(
        "errors", "MLErrorRateElevated", "3 % of the requests fail inside the model",
        (misbehave("failing", share=0.03), send("normal", 30)), ERRORS, "%", "more than 1 %", 5 * MINUTE,
    ),
    Drill(
        "errors", "MLErrorRateSustained", "3 % of the requests fail inside the model, and go on failing",
        (misbehave("failing", share=0.03), send("normal", 30)), ERRORS, "%", "more than 1 %, for an hour", 5 * MINUTE,
    ),
    Drill(
        "latency", "MLInferenceLatencyCritical", "each inference takes 0.7 s longer",
        (misbehave("slow", seconds=0.7),), LATENCY, "s", "more than 0.5 s", 5 * MINUTE,
    ),
    Drill(
        "latency", "MLInferenceLatencyDegraded", "each inference takes 0.25 s longer",
        (misbehave("slow", seconds=0.25),), LATENCY, "s", "more than 0.2 s", 5 * MINUTE,
    ),
    Drill(
        "latency", "HTTPLatencyP99High", "each inference takes 0.25 s longer, and so many ask that they queue",
        (misbehave("slow", seconds=0.25), send("normal", 26)), HTTP_LATENCY, "s", "more than 0.5 s", 5 * MINUTE,
    ),
    Drill(
        "latency", "MLLatencySLOBurnFast", "each inference takes 0.15 s longer, so none meets the objective of 100 ms",
        (misbehave("slow", seconds=0.15), send("normal", 8)),
        "namespace_job:ml_slo_latency_bad:ratio_rate1h / 0.05", "x", "more than 14.4 times", HOUR,
    ),
    Drill(
        "latency", "MLLatencySLOBurnSlow", "one replica of three is slow, so a fifth of the inferences is",
        (misbehave("slow", [0], seconds=0.15), send("normal", 4), send("normal", 5, [1, 2])),
        "namespace_job:ml_slo_latency_bad:ratio_rate2h / 0.05", "x", "more than 3 times", 6 * HOUR,
    ),
    Drill(
        "model-down", "MLModelNotLoaded", "one replica unloads its model",
        (misbehave("unload", [0]),), MODEL, "", "0", 0,
    ),
    Drill(
        "model-down", "MLModelStatusAbsent", "all replicas freeze, so none reports anything",
        (frozen("bert-api-0", "bert-api-1", "bert-api-2"),), MODEL, "", "no answer at all", 0,
    ),
    Drill(
        "model-down", "TargetDown", "one replica freezes: it runs, and does not answer",
        (frozen("bert-api-0"),), 'min(up{job="toxicity-api"})', "", "0", 0,
    ),
    Drill(
        "toxic-wave", "MLToxicRateHigh", "two texts in three are rude",
        (send("toxic-wave", 16),), TOXIC, "%", "more than 40 %", 10 * MINUTE,
    ),
    Drill(
        "toxic-wave", "MLToxicRateElevated", "some more texts than usual are rude",
        (send("toxic-wave", 10), send("normal", 9)), TOXIC, "%", "more than 30 %", 10 * MINUTE,
    ),
    Drill(
        "drift", "MLConfidenceDrift", "most texts are of a kind that the model was not trained on",
        (send("drift", 12),), "max(namespace_job_version:ml_confidence_distribution:psi_rate1h)", "",
        "more than 0.2 (PSI)", HOUR,
    ),
    Drill(
        "drift", "MLConfidenceMeanLow", "nearly all texts are of a kind that the model was not trained on",
        (send("drift", 30),), "namespace_job:ml_confidence_distribution:mean_rate15m", "", "less than 0.65",
        15 * MINUTE,
    ),
    Drill(
        "drift", "MLRetrainingRequired", "nearly all texts are of a kind that the model was not trained on",
        (send("drift", 40),), "namespace_job:ml_confidence_distribution_low:ratio_rate30m", "%", "more than 80 %",
        30 * MINUTE,
    ),
    Drill(
        "memory", "MLPodMemoryHigh", "one replica gets a memory limit that it fills to 85 %",
        (memory_of_limit(0.85),), MEMORY, "%", "more than 80 %", 0,
    ),
    Drill(
        "memory", "MLPodMemoryOOMRisk", "one replica gets a memory limit that it fills to 95 %",
        (memory_of_limit(0.95),), MEMORY, "%", "more than 90 %", 0,
    ),
    Drill(
        "memory", "AppMemoryLeak", "one replica leaks up to 1.7 GB of real memory within a minute",
        (leak_up_to(1.7e9),), 'max(app_memory_usage_bytes{job="toxicity-api"})', "B", "more than 1.5 GB", 0,
    ),
    Drill(
        "surge", "TrafficSpike", "14 times as many requests as usual, on top of the usual ones",
        (surge(14.0, most=120.0),),
        SURGE,
        "x", "more than 10 times", 5 * MINUTE,
        before=SURGE + " < 3",
    ),
    Drill(
        "saturation", "HTTPInFlightHigh", "one replica gets twice as much as it can answer",
        (misbehave("slow", [0], seconds=0.15), send("normal", 26, [0])),
        'max(http_requests_in_progress{job="toxicity-api"})', "", "more than 50", 0,
    ),
    Drill(
        "deploy", "MLModelDeployed", "another version of the model is deployed, and rolled back",
        (another_version,), VERSIONS, "versions", "a version that was not there before", 40 * MINUTE,
        before=ONE_VERSION,
    ),
    Drill(
        "retrain", "MLRetrainingStarted", "the model is really retrained",
        (retraining,), 'time() - max(ml_retraining_last_start_timestamp_seconds{job="toxicity-api"} > 0)', "s",
        "began a moment ago", 10 * MINUTE,
    ),
    Drill(
        "bridge", "AlertBridgeDown", "the bridge freezes; this alert goes past it",
        (frozen("bridge"),), 'sum(up{job="alert-bridge"})', "", "less than 1", 0,
    ),
)  # fmt: skip

#: What a right cause says, as a regular expression without case. Naming none is right, too: a young stack knows little.
#: Alerts that announce a change, and those that go past the bridge, have none.
CAUSES: Mapping[str, str] = {
    "MLErrorRateCritical": r"alike|all (\d )?pods|prediction_failed",
    "MLErrorRateElevated": r"alike|all (\d )?pods|prediction_failed",
    "MLErrorRateSustained": r"alike|all (\d )?pods|prediction_failed",
    "MLInferenceLatencyCritical": r"alike|all (\d )?pods",
    "MLInferenceLatencyDegraded": r"alike|all (\d )?pods",
    "HTTPLatencyP99High": r"alike|all (\d )?pods|traffic|requests",
    "MLLatencySLOBurnFast": r"alike|all (\d )?pods|traffic",
    "MLLatencySLOBurnSlow": r"toxicity-api-0",
    "MLModelNotLoaded": r"toxicity-api-0|2 of 3",
    "MLModelStatusAbsent": r"0 of 3|no pod",
    "TargetDown": r"toxicity-api-0|2 of 3",
    "MLToxicRateHigh": r"texts|inputs|alike",
    "MLToxicRateElevated": r"texts|inputs|alike",
    "MLConfidenceDrift": r"texts|inputs|alike",
    "MLConfidenceMeanLow": r"texts|inputs|alike",
    "MLRetrainingRequired": r"texts|inputs|alike",
    "MLPodMemoryHigh": r"toxicity-api-0",
    "MLPodMemoryOOMRisk": r"toxicity-api-0",
    "AppMemoryLeak": r"toxicity-api-0",
    "TrafficSpike": r"traffic|requests",
    "HTTPInFlightHigh": r"toxicity-api-0|traffic|requests",
}

#: The other alerts of the table, and why no drill makes them fire.
NOT_DRILLED: Mapping[str, str] = {
    "Watchdog": "always fires; its absence is the alarm, raised by the service that expects it",
    "BridgeCannotStore": "needs a full disk or a lost file; tests/end_to_end/test_storage_trouble.py has both",
    "BridgeDeliveriesOverdue": "waits for 300 s of the bridge's own clock, which no speed divides",
    "BridgeDeadLetters": "a dead letter remains until an operator replays it, so a drill could not undo it",
    "BridgeContextFailing": "needs a Prometheus that refuses the bridge's questions, and it evaluates the rule too",
    "BridgeHeartbeatMissing": "waits five minutes by the bridge's own clock, which no speed divides",
    "BridgeConfigReloadFailed": "needs a broken routes.yaml in the place of the one that `make up` runs on",
    "PrometheusRuleFailures": "needs a broken rule, which `make up` never loads",
    "PrometheusNotConnectedToAlertmanagers": "without an Alertmanager no one is notified, so nothing would arrive",
    "PrometheusConfigReloadFailed": "needs a broken configuration in the place of the one that `make up` wrote",
    "AlertmanagerConfigReloadFailed": "needs a broken configuration in the place of the one that `make up` wrote",
    "AlertmanagerNotificationsFailing": "while the bridge is frozen its notifications wait instead of failing; "
    "rules/tests/alertmanager_test.yml has it",
}  # fmt: skip


def scenarios() -> list[str]:
    """Their names, in the order of the list."""
    return list(dict.fromkeys(drill.scenario for drill in DRILLS))


def of_scenario(name: str) -> list[Drill]:
    return [drill for drill in DRILLS if drill.scenario == name]
