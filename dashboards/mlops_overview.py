"""MLOps Overview: does the model answer, how well, how fast, and on what machine?"""

from __future__ import annotations

from dashboards.dashboard import Dashboard, Panel, Row
from dashboards.frame import ALERTS, CLOUD_DATA_SOURCE, DEPLOYMENTS, RETRAININGS, TITLES, variables
from dashboards.limits import limits
from dashboards.looks import Override, heatmap, lines, stat
from dashboards.model_queries import USERS, attempts, error_ratio, inference, response, toxic_ratio
from dashboards.queries import CloudQuery, Query, increase, quantile, rate, series, share

UID = "mlops-overview"
READY = Panel(
    id=1,
    title="Pods with a model",
    description="Share of the pods whose model is loaded and has passed its warm-up. Anything under 100 % means that "
    "some callers get 503.",
    look=stat(),
    unit="percentunit",
    queries=(Query(f"avg by (namespace, job) ({series('ml_model_status')})", "{{namespace}}"),),
    limits=limits("MLModelNotLoaded"),
    width=4,
    height=4,
)
ATTEMPTS = Panel(
    id=2,
    title="Attempts",
    description="Texts per second that the model was asked to classify: predictions and failures.",
    look=stat(),
    unit="ops",
    queries=(Query(attempts("$__rate_interval"), "{{namespace}}"),),
    width=4,
    height=4,
)
ERRORS_NOW = Panel(
    id=3,
    title="Error rate",
    description="Failures on our side as a share of all attempts in 5 minutes. A caller's mistake (4xx) is none.",
    look=stat(),
    unit="percentunit",
    queries=(Query(error_ratio(), "{{namespace}}"),),
    limits=limits("MLErrorRateElevated", "MLErrorRateCritical"),
    width=4,
    height=4,
)
P95_NOW = Panel(
    id=4,
    title="Inference P95",
    description="95 % of the inferences in 5 minutes took less, without their wait for the inference slot.",
    look=stat(),
    unit="s",
    queries=(Query(inference(0.95), "{{namespace}}"),),
    limits=limits("MLInferenceLatencyDegraded", "MLInferenceLatencyCritical"),
    width=4,
    height=4,
)
TOXIC_NOW = Panel(
    id=5,
    title="Toxic rate",
    description="Share of the predictions in 10 minutes that said toxic. A jump is an attack, or a model gone wrong.",
    look=stat(),
    unit="percentunit",
    queries=(Query(toxic_ratio(), "{{namespace}}"),),
    limits=limits("MLToxicRateElevated", "MLToxicRateHigh"),
    width=4,
    height=4,
)
FIRING = Panel(
    id=6,
    title="Alerts firing",
    description="Alerts of all severities that fire now, the ever-firing Watchdog left out.",
    look=stat(),
    unit="none",
    queries=(
        Query(
            'sum(ALERTS{alertstate="firing", alertname!="Watchdog", namespace=~"$namespace"}) or vector(0)', "firing"
        ),
    ),
    width=4,
    height=4,
)
CLASSES = Panel(
    id=7,
    title="Predictions per class (5 min rate)",
    description="Texts per second by result, averaged over 5 minutes.",
    look=lines(stacked=True),
    unit="ops",
    queries=(Query(rate("ml_predictions_total", "5m", by="result"), "{{result}}"),),
)
CONFIDENCE = Panel(
    id=8,
    title="Confidence of the predictions",
    description="How many predictions had which confidence, max(p, 1 - p): 0.5 is a coin toss, 1 is certain. A dark "
    "band that wanders down is a model that no longer knows what it reads.",
    look=heatmap("percentunit"),
    unit="none",
    queries=(
        Query(increase("ml_confidence_distribution_bucket", "$__rate_interval", by="le"), "{{le}}", format="heatmap"),
    ),
)
ERRORS = Panel(
    id=9,
    title="ML errors by type",
    description="Failures per second. model_load: not to be loaded; prediction_failed: it raised; timeout: too slow.",
    look=lines(stacked=True),
    unit="ops",
    queries=(Query(rate("ml_prediction_errors_total", "$__rate_interval", by="error_type"), "{{error_type}}"),),
)
INFERENCE = Panel(
    id=10,
    title="Inference P50, P95, P99",
    description="Time in the model over 5 minutes, over all pods of a namespace, without the wait for the slot.",
    look=lines(),
    unit="s",
    queries=tuple(Query(inference(rank), f"P{rank * 100:.0f} {{{{namespace}}}}") for rank in (0.5, 0.95, 0.99)),
    limits=limits("MLInferenceLatencyDegraded", "MLInferenceLatencyCritical"),
)
HTTP = Panel(
    id=11,
    title="HTTP P50 and P99",
    description="What callers wait for over 5 minutes, from the request's arrival to its answer. Probes and "
    "scrapes are left out.",
    look=lines(),
    unit="s",
    queries=tuple(Query(response(rank, "5m", USERS), f"P{rank * 100:.0f} {{{{namespace}}}}") for rank in (0.5, 0.99)),
    limits=limits("HTTPLatencyP99High"),
)
QUEUE = Panel(
    id=12,
    title="Wait for the inference slot, P95",
    description="Long waits with fast inferences mean too few pods; short waits with slow inferences, a slow model.",
    look=lines(),
    unit="s",
    queries=(Query(quantile(0.95, "ml_queue_duration_seconds", "$__rate_interval"), "P95 {{namespace}}"),),
)
CPU = Panel(
    id=13,
    title="CPU of the pods (Prometheus)",
    description="Cores that each process used, as it says itself.",
    look=lines(),
    unit="none",
    queries=(Query(rate("process_cpu_seconds_total", "$__rate_interval", by="namespace, pod"), "{{pod}}"),),
    width=6,
)
MEMORY = Panel(
    id=14,
    title="Memory of the pods (Prometheus)",
    description="Memory of each control group, as the API reads it.",
    look=lines(),
    unit="bytes",
    queries=(Query(f"max by (namespace, pod) ({series('app_memory_usage_bytes')})", "{{pod}}"),),
    limits=limits("AppMemoryLeak"),
    width=6,
)
MEMORY_SHARE = Panel(
    id=15,
    title="Memory, as a share of its limit",
    description="At 100 % the kernel ends the pod. Pods without a limit are not shown.",
    look=lines(),
    unit="percentunit",
    queries=(
        Query(
            share(
                f"max by (namespace, pod) ({series('app_memory_usage_bytes')})",
                f"max by (namespace, pod) ({series('app_memory_limit_bytes')})",
            ),
            "{{pod}}",
        ),
    ),
    limits=limits("MLPodMemoryHigh", "MLPodMemoryOOMRisk"),
    width=6,
)
IN_FLIGHT = Panel(
    id=16,
    title="Requests in progress",
    description="Requests that each pod is answering, those that wait for the inference slot included.",
    look=lines(),
    unit="none",
    queries=(Query(f"sum by (namespace, pod) ({series('http_requests_in_progress')})", "{{pod}}"),),
    limits=limits("HTTPInFlightHigh"),
    width=6,
)
CORRELATION = Panel(
    id=17,
    title="CPU against latency",
    description="Cores of all pods (left) and inference P95 (right). Rising together: the pods are short of CPU. "
    "Latency alone: look for longer texts, a new model, or a noisy neighbour.",
    look=lines(),
    unit="none",
    queries=(
        Query(rate("process_cpu_seconds_total", "$__rate_interval"), "CPU cores {{namespace}}"),
        Query(inference(0.95, "$__rate_interval"), "P95 {{namespace}}"),
    ),
    overrides=(Override("/^P95/", {"unit": "s", "custom.axisPlacement": "right", "custom.lineWidth": 2}),),
    width=24,
)
CLOUD_CPU = Panel(
    id=18,
    title="CPU of the pods (Cloud Monitoring)",
    description="Cores that each container used, as GKE measures it; about two minutes late.",
    look=lines(),
    unit="none",
    queries=(CloudQuery("kubernetes.io/container/cpu/core_usage_time", "ALIGN_RATE"),),
)
CLOUD_MEMORY = Panel(
    id=19,
    title="Memory of the pods (Cloud Monitoring)",
    description="Memory that GKE cannot take back from the container (non-evictable); about two minutes late.",
    look=lines(),
    unit="bytes",
    queries=(CloudQuery("kubernetes.io/container/memory/used_bytes", "ALIGN_MEAN", memory_type="non-evictable"),),
    limits=limits("AppMemoryLeak"),
)
CLOUD_MEMORY_SHARE = Panel(
    id=20,
    title="Memory, as a share of its limit (Cloud Monitoring)",
    description="At 100 % the kernel ends the container. Containers without a limit are not shown.",
    look=lines(),
    unit="percentunit",
    queries=(
        CloudQuery("kubernetes.io/container/memory/limit_utilization", "ALIGN_MEAN", memory_type="non-evictable"),
    ),
    limits=limits("MLPodMemoryHigh", "MLPodMemoryOOMRisk"),
)
DASHBOARD = Dashboard(
    uid=UID,
    title=TITLES[UID],
    description="Does the toxicity model answer, how well, how fast, and on what machine?",
    rows=(
        Row(id=100, title="Now", panels=(READY, ATTEMPTS, ERRORS_NOW, P95_NOW, TOXIC_NOW, FIRING)),
        Row(id=101, title="Predictions", panels=(CLASSES, CONFIDENCE, ERRORS)),
        Row(id=102, title="Latency", panels=(INFERENCE, HTTP, QUEUE)),
        Row(id=103, title="Pods", panels=(CPU, MEMORY, MEMORY_SHARE, IN_FLIGHT, CORRELATION)),
        Row(
            id=104,
            title="Pods, as Google Cloud sees them",
            panels=(CLOUD_CPU, CLOUD_MEMORY, CLOUD_MEMORY_SHARE),
            collapsed=True,  # off Google Cloud the data source answers with an error, so it is not queried
        ),
    ),
    variables=(*variables("ml_model_status"), CLOUD_DATA_SOURCE),
    annotations=(DEPLOYMENTS, RETRAININGS, ALERTS),
    since="6h",
)
