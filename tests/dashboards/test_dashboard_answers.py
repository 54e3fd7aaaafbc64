"""Every query of the dashboards, answered by a real Prometheus with what the real code exports."""

from __future__ import annotations

import math
from typing import Any, TypedDict

import pytest

from tests.dashboards import dashboard_history as history
from tests.dashboards.dashboard_prometheus import Prometheus
from tests.dashboards.dashboard_reading import UIDS, PanelQuery, all_queries, dashboard, label_values, of_panels, panels

EVERYTHING = all_queries()


class Service(TypedDict):
    namespace: str
    job: str


ML = Service(namespace="ml", job="toxicity-api")


def _values(prometheus: Prometheus, query: PanelQuery) -> list[tuple[dict[str, str], list[float]]]:
    ask = prometheus.instant if query.instant else prometheus.range
    return [
        (series["metric"], [float(value) for _, value in series.get("values") or [series["value"]]])
        for series in ask(query.expr)
    ]


@pytest.mark.parametrize("query", EVERYTHING, ids=[query.where for query in EVERYTHING])
def test_every_query_returns_finite_numbers_with_the_labels_of_its_legend(
    prometheus: Prometheus, query: PanelQuery
) -> None:
    answers = _values(prometheus, query)
    assert answers, f"nothing for {query.expr}"
    for metric, values in answers:
        assert all(map(math.isfinite, values)), f"{metric}: {values} for {query.expr}"
    # at least one: an alert without a namespace may be among the others
    assert any(query.legend_labels <= metric.keys() for metric, _ in answers), answers


def test_no_query_returns_more_lines_than_a_user_can_read(prometheus: Prometheus) -> None:
    many = {q.where: len(_values(prometheus, q)) for q in of_panels() if q.panel_type not in ("heatmap", "table")}
    assert max(many.values()) <= 30, many


@pytest.mark.parametrize("uid", UIDS)
def test_the_variables_offer_the_existing_values(prometheus: Prometheus, uid: str) -> None:
    offered = {name: prometheus.label_values(*asked) for name, asked in label_values(uid).items()}
    if uid == "alert-bridge":
        assert offered == {"namespace": ["alerting"], "job": ["alert-bridge"]}
    else:
        assert offered == {"namespace": ["ml", "staging"], "job": ["toxicity-api"]}


@pytest.mark.parametrize("uid", UIDS)
def test_the_columns_of_every_table_come_from_its_queries(prometheus: Prometheus, uid: str) -> None:
    for panel in panels(dashboard(uid)):
        if panel["type"] == "table":
            columns = set(panel["transformations"][1]["options"]["renameByName"])
            labels = {label for target in panel["targets"] for label in _labels(prometheus, target)}
            values = {f"Value #{target['refId']}" for target in panel["targets"]}
            assert columns - {"Value"} == labels | values, panel["title"]


def _labels(prometheus: Prometheus, target: dict[str, Any]) -> set[str]:
    answers = prometheus.instant(PanelQuery("", target["expr"]).expr)
    return {label for series in answers for label in series["metric"]}


def _number(
    prometheus: Prometheus, uid: str, title: str, *, ref: str = "A", moment: int = history.NOW, **labels: str
) -> float:
    (panel,) = [panel for panel in panels(dashboard(uid)) if panel["title"] == title]
    (target,) = [target for target in panel["targets"] if target["refId"] == ref]
    answers = prometheus.instant(PanelQuery(title, target["expr"]).expr, moment)
    (series,) = [series for series in answers if labels.items() <= series["metric"].items()]
    return float(series["value"][1])


# One pod of "ml" has 100 predictions an hour, 3 of 10 toxic and 3 failures; the other 200, 6 of 10 and 12.
# The mean of the two shares would be 0.45, and that of the two error rates 0.043.
SERVICE_NUMBERS = {
    ("mlops-overview", "Pods with a model"): 1.0,
    ("mlops-overview", "Attempts"): 315 / 3600,
    ("mlops-overview", "Error rate"): 15 / 315,
    ("mlops-overview", "Inference P95"): 0.2 + 0.1 * (95 - 94) / 4,
    ("mlops-overview", "Toxic rate"): (30 + 120) / 300,
    ("business-kpis", "Toxic rate, 24 hours"): (30 + 120) / 300,
    ("business-kpis", "Predictions, last hour"): 300.0,
    ("business-kpis", "Predictions, 24 hours"): 7200.0,
    ("business-kpis", "Mean response time, 24 hours"): 11.55 / 100,
    ("business-kpis", "Median response time (P50), 24 hours"): 0.05 + 0.05 * (50 - 40) / 35,
    ("business-kpis", "Inferences within 100 ms, 24 hours"): 0.8,
    ("business-kpis", "Error budget left, 30 days"): 1 - 0.02 / 0.05,
    ("model-health", "Drift score"): 0.12,
}


@pytest.mark.parametrize(("place", "expected"), SERVICE_NUMBERS.items(), ids=[title for _, title in SERVICE_NUMBERS])
def test_a_number_is_that_of_the_traffic(prometheus: Prometheus, place: tuple[str, str], expected: float) -> None:
    assert _number(prometheus, *place, **ML) == pytest.approx(expected, rel=1e-6)


def test_another_namespace_has_its_own_numbers(prometheus: Prometheus) -> None:
    toxic = _number(prometheus, "mlops-overview", "Toxic rate", namespace="staging")
    assert toxic == pytest.approx(0.1)
    assert _number(prometheus, "mlops-overview", "Error rate", namespace="staging") == 0


def test_the_memory_of_a_pod_is_shown_as_a_share_of_its_limit(prometheus: Prometheus) -> None:
    share = _number(prometheus, "mlops-overview", "Memory, as a share of its limit", pod="toxicity-api-a")
    assert share == pytest.approx(900 / 2048)


def test_probes_and_scrapes_do_not_lower_the_latency(prometheus: Prometheus) -> None:
    p99 = _number(prometheus, "mlops-overview", "HTTP P50 and P99", ref="B", **ML)
    assert p99 == pytest.approx(0.75 + 0.25 * (99 - 98) / 2)


def test_the_languages_are_ranked_by_their_toxic_texts(prometheus: Prometheus) -> None:
    (query,) = [q for q in of_panels() if "Top toxic languages" in q.where]
    ranked = [(series["metric"]["language"], float(series["value"][1])) for series in prometheus.instant(query.expr)]
    # of ten texts, pod a: en, en, fr; pod b, twice as busy: en, en, fr, de, en, fr; pod c: en. 240 tens in a day.
    tens = {"en": 2 + 2 * 3 + 1, "fr": 1 + 2 * 2, "de": 2}
    assert [language for language, _ in ranked[:3]] == list(tens)
    assert [count for _, count in ranked[:3]] == pytest.approx([240 * count for count in tens.values()])


def test_the_confidence_distribution_ends_at_all_predictions(prometheus: Prometheus) -> None:
    low = _number(prometheus, "model-health", "Confidence now and in training", le="0.6")
    assert low == pytest.approx(0.1, rel=1e-6)
    assert _number(prometheus, "model-health", "Confidence now and in training", le="1.0") == pytest.approx(1)
    trained = _number(prometheus, "model-health", "Confidence now and in training", ref="B", le="0.6")
    assert trained == pytest.approx(round(0.6**4, 4))


def test_deployments_and_retrainings_are_annotated_with_their_time(prometheus: Prometheus) -> None:
    began = _number(prometheus, "model-health", "Deployments", version=history.NEW, namespace="ml")
    assert began == history.DEPLOYED * 1000
    started = _number(prometheus, "model-health", "Retrainings", trigger="drift", namespace="ml")
    assert started == history.RETRAINED * 1000


def test_a_retraining_counts_once_however_many_pods_report_it(prometheus: Prometheus) -> None:
    """One run, which the history spreads over the 25 hours until the deployment."""
    run = {"namespace": "ml", "trigger": "drift", "status": "succeeded"}
    title, moment = "Retrainings that ended, per hour", history.DEPLOYED - history.HOUR
    assert _number(prometheus, "model-health", title, moment=moment, **run) == pytest.approx(1 / 25, rel=1e-6)


def test_only_the_serving_version_is_counted(prometheus: Prometheus) -> None:
    assert _number(prometheus, "model-health", "Pods by model version", version=history.NEW) == 3


def test_noise_is_the_number_of_times_an_alert_began_to_fire(prometheus: Prometheus) -> None:
    assert _number(prometheus, "alert-bridge", "Noise per alert", alertname="MLErrorRateElevated") == 2
    assert _number(prometheus, "alert-bridge", "Noise per alert", alertname="MLInferenceLatencyDegraded") == 1


def test_the_watchdog_is_not_counted_as_firing(prometheus: Prometheus) -> None:
    assert _number(prometheus, "mlops-overview", "Alerts firing") == 2


def test_the_backlog_of_two_bridges_on_one_database_is_counted_once(prometheus: Prometheus) -> None:
    assert _number(prometheus, "alert-bridge", "Deliveries waiting") == 5
    assert _number(prometheus, "alert-bridge", "Oldest overdue") == 45
    assert _number(prometheus, "alert-bridge", "Dead letters") == 1
    assert _number(prometheus, "alert-bridge", "Paused channels", channel="slack-ml") == 1
    assert _number(prometheus, "alert-bridge", "Paused channels", channel="email-ml") == 0


def test_the_latency_of_a_channel_is_that_of_its_messages(prometheus: Prometheus) -> None:
    p50 = _number(prometheus, "alert-bridge", "From webhook to accepted message", channel="email-ml")
    assert p50 == pytest.approx(20)  # halfway through the bucket from 10 to 30
