"""Model Health: does the model still understand what it reads, and what was done to it?"""

from __future__ import annotations

from dashboards import recorded
from dashboards.dashboard import Dashboard, Panel, Row
from dashboards.frame import ALERTS, DEPLOYMENTS, RETRAININGS, TITLES, variables
from dashboards.limits import limits
from dashboards.looks import Override, bars_by, lines, stat, table
from dashboards.queries import Query, for_table, increase, quantile, series, share

UID = "model-health"
DRIFT_TEXT = (
    "Population stability index (PSI) of the last hour's confidences against those of the training's held-out texts: "
    "0 is the same distribution; above the line the model meets texts that it was not trained for."
)
BUCKETS = increase("ml_confidence_distribution_bucket", "$__range", 'le!="+Inf"', by="le")
COUNT = f"sum(increase({series('ml_confidence_distribution_count')}[$__range]))"
NOW = f"{BUCKETS} / ignoring (le) group_left () ({COUNT} > 0)"
DRIFT_NOW = Panel(
    id=1,
    title="Drift score",
    description=DRIFT_TEXT,
    look=stat(),
    unit="none",
    decimals=2,
    queries=(Query(f"max by (namespace, job) ({series(recorded.DRIFT)})", "{{namespace}}"),),
    limits=limits("MLConfidenceDrift"),
    width=4,
)
DRIFT = Panel(
    id=2,
    title="Drift score against the training baseline (PSI)",
    description=DRIFT_TEXT,
    look=lines(),
    unit="none",
    queries=(Query(series(recorded.DRIFT), "{{namespace}} {{version}}"),),
    limits=limits("MLConfidenceDrift"),
    width=10,
)
BASELINE = Panel(
    id=3,
    title="Confidence now and in training",
    description="Share of the predictions of the chosen time that were at most this confident, beside the share in "
    "training. While two versions serve, their baselines are averaged.",
    look=bars_by("le", {"Value #A": "now", "Value #B": "in training"}),
    unit="percentunit",
    queries=(
        for_table(NOW),
        for_table(f'avg by (le) (label_replace({series("ml_confidence_baseline_cdf")}, "le", "$1", "upper", "(.*)"))'),
    ),
    width=10,
)
CONFIDENCE = Panel(
    id=4,
    title="Mean confidence, 7 days",
    description="Average of max(p, 1 - p) over 15 minutes: 0.5 is a coin toss, 1 is certain.",
    look=lines(least=0.5),
    unit="percentunit",
    queries=(Query(series(recorded.MEAN_CONFIDENCE), "{{namespace}}"),),
    limits=limits("MLConfidenceMeanLow"),
    time_from="7d",
)
UNSURE = Panel(
    id=5,
    title="Share of unsure predictions, 7 days",
    description="Predictions with a confidence of at most 0.6, as a share of all in 30 minutes. Above the line the "
    "model wants retraining.",
    look=lines(),
    unit="percentunit",
    queries=(Query(series(recorded.LOW_CONFIDENCE_SHARE), "{{namespace}}"),),
    limits=limits("MLRetrainingRequired"),
    time_from="7d",
)
ERRORS = Panel(
    id=6,
    title="Error rate, 7 days",
    description="Failures on our side as a share of all attempts in 5 minutes.",
    look=lines(),
    unit="percentunit",
    queries=(Query(series(recorded.ERROR_RATIO), "{{namespace}}"),),
    limits=limits("MLErrorRateElevated", "MLErrorRateCritical"),
    time_from="7d",
)
TOKENS = Panel(
    id=7,
    title="Length of the texts",
    description="Tokens of each text, before it is cut. Longer texts are slower; a jump often explains a drift.",
    look=lines(),
    unit="none",
    queries=tuple(
        Query(quantile(rank, "ml_input_tokens", "$__rate_interval"), f"P{rank * 100:.0f} {{{{namespace}}}}")
        for rank in (0.5, 0.95)
    ),
    width=12,
)
VERSIONS = Panel(
    id=8,
    title="Pods by model version",
    description="How a deployment went from pod to pod: the new version rises while the old one falls.",
    look=lines(stacked=True, steps=True),
    unit="none",
    queries=(Query(f"count by (version) ({series('ml_model_info')})", "{{version}}"),),
    width=12,
)
DEPLOYED = Panel(
    id=9,
    title="Deployments",
    description="Model versions that served in the chosen time, and when each began to answer, first pod and last pod.",
    look=table(
        {"namespace": "Namespace", "version": "Version", "Value #A": "First pod", "Value #B": "Last pod"}, "Last pod"
    ),
    unit="dateTimeAsIso",
    queries=tuple(
        for_table(
            f"{operation} by (namespace, version) "
            f"({operation}_over_time({series('ml_model_loaded_timestamp_seconds')}[$__range]) > 0) * 1000"
        )
        for operation in ("min", "max")
    ),
    width=12,
)
RETRAINED = Panel(
    id=10,
    title="Retrainings",
    description="The last retraining that each trigger started.",
    look=table(
        {"namespace": "Namespace", "model": "Model", "trigger": "Trigger", "Value #A": "Last start"}, "Last start"
    ),
    unit="dateTimeAsIso",
    queries=(
        for_table(
            "max by (namespace, model, trigger) "
            f"(max_over_time({series('ml_retraining_last_start_timestamp_seconds')}[$__range]) > 0) * 1000"
        ),
    ),
    width=12,
)
RUNS = Panel(
    id=11,
    title="Retrainings that ended, per hour",
    description="By how they ended. rejected: the new model was worse than the one that serves.",
    look=lines(stacked=True, bars=True),
    unit="none",
    queries=(
        # The replicas report one trainer, so the largest of them and not their sum.
        Query(
            f"max by (namespace, trigger, status) (increase({series('ml_retraining_runs_total')}[1h]))",
            "{{namespace}}, {{trigger}}: {{status}}",
        ),
    ),
    overrides=(
        Override("/: failed$/", {"color": {"fixedColor": "red", "mode": "fixed"}}),
        Override("/: succeeded$/", {"color": {"fixedColor": "green", "mode": "fixed"}}),
    ),
    least_step="1h",
    width=12,
)
TRUNCATED = Panel(
    id=12,
    title="Texts cut at the model's limit",
    description="Share of the texts that were longer than the model can read: it judged only their beginning.",
    look=lines(),
    unit="percentunit",
    queries=(
        Query(
            share(
                increase("ml_input_truncated_total", "$__rate_interval"),
                increase("ml_input_tokens_count", "$__rate_interval"),
            ),
            "{{namespace}}",
        ),
    ),
    width=12,
)
DASHBOARD = Dashboard(
    uid=UID,
    title=TITLES[UID],
    description="Does the model still understand what it reads, and what was done to it?",
    rows=(
        Row(id=100, title="Drift", panels=(DRIFT_NOW, DRIFT, BASELINE)),
        Row(id=101, title="Confidence and errors", panels=(CONFIDENCE, UNSURE, ERRORS)),
        Row(id=102, title="History", panels=(VERSIONS, DEPLOYED, RUNS, RETRAINED)),
        Row(id=103, title="Input", panels=(TOKENS, TRUNCATED)),
    ),
    variables=variables("ml_model_status"),
    annotations=(DEPLOYMENTS, RETRAININGS, ALERTS),
    since="24h",
    refresh="1m",
)
