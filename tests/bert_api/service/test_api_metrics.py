"""The catalogue: every metric with its type, labels and buckets, in the registry and in what a scrape really shows."""

from __future__ import annotations

import re
import subprocess

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bert_api import metrics as catalogue
from bert_api.metrics import Metrics
from bert_api.model.classifier import ModelInfo
from bert_api.service.app import create_app
from bert_api.training.history import Run
from dev.stack import binaries
from tests.bert_api.service.api_fakes import FakeClassifier, service_with, write_version
from tests.bert_api.service.api_process import Api, running_api
from tests.bert_api.service.exposed_series import SERIES

BUCKETS = {
    "ml_confidence_distribution": "0.5 0.55 0.6 0.65 0.7 0.75 0.8 0.85 0.9 0.95 0.99 1.0 +Inf",
    "ml_processing_duration_seconds": "0.005 0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1.0 2.0 5.0 +Inf",
}
AT_LEAST = {"http_request_duration_seconds": {"0.1", "0.25", "0.5", "0.75", "1.0", "2.5", "5.0"}}
#: a bound that an alert compares a quantile with must be there, and a finite one above it
THRESHOLDS = {"ml_processing_duration_seconds": (0.1, 0.2, 0.5), "http_request_duration_seconds": (0.5,)}
BASELINE = ((0.5, 0.0), (0.6, 0.25), (1.0, 1.0))


def model(version: str) -> ModelInfo:
    return ModelInfo("minilm", version, "onnxruntime 1.0", "int8", 256, BASELINE)


def filled() -> Metrics:
    metrics = Metrics("1.2.3", "abcdef")
    metrics.watch_memory(lambda: 1e8, lambda: 0.0)
    metrics.serving(model("1.0.0"), 1000.0)
    metrics.retrained([Run("a", "minilm", "drift", 900.0, 950.0, "succeeded", "1.1.0")])
    return metrics


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """From a process that has answered, refused and failed."""
    folder = tmp_path_factory.mktemp("scraped")
    write_version(folder / "versions", "1.0.0")
    with running_api(folder, BERT_API_MODELS=str(folder / "versions")) as api:
        _use(api)
        return api.scrape()


def _use(api: Api) -> None:
    assert [api.predict(text).status_code for text in ("a kind word", "you idiot", "poison", "")] == [
        200,
        200,
        500,
        422,
    ]


@pytest.fixture(params=["registry", "scrape"])
def families(request: pytest.FixtureRequest) -> dict[str, Metric]:
    if request.param == "registry":
        return {family.name: family for family in filled().registry.collect()}
    text = request.getfixturevalue("scraped")
    return {family.name: family for family in text_string_to_metric_families(text)}


@pytest.mark.parametrize("name", SERIES)
def test_every_metric_is_there_with_its_type_and_labels(families: dict[str, Metric], name: str) -> None:
    kind, labels = SERIES[name]
    family = families[name]
    assert (family.type, bool(family.samples), bool(family.documentation)) == (kind, True, True)
    assert {frozenset(sample.labels) - {"le"} for sample in family.samples} == {frozenset(labels)}


@pytest.mark.parametrize("name", BUCKETS)
def test_the_buckets_are_those_of_the_rules(families: dict[str, Metric], name: str) -> None:
    assert buckets(families[name]) == BUCKETS[name].split()


def test_the_http_buckets_hold_what_the_rules_need(families: dict[str, Metric]) -> None:
    for name, needed in AT_LEAST.items():
        assert needed <= set(buckets(families[name]))


def test_each_threshold_is_a_bound_with_a_finite_one_above(families: dict[str, Metric]) -> None:
    for name, thresholds in THRESHOLDS.items():
        bounds = [float(bound) for bound in buckets(families[name])]
        assert set(thresholds) <= set(bounds)
        assert bounds[-2] > max(thresholds)


def buckets(family: Metric) -> list[str]:
    """Of one child, in order."""
    samples = [sample for sample in family.samples if sample.name.endswith("_bucket")]
    first = {name: value for name, value in samples[0].labels.items() if name != "le"}
    return [sample.labels["le"] for sample in samples if {**first, "le": sample.labels["le"]} == sample.labels]


def test_nothing_is_exported_that_is_not_in_the_catalogue(families: dict[str, Metric]) -> None:
    assert {name for name in families if not name.startswith("process_")} == set(SERIES)


def test_no_created_series(families: dict[str, Metric]) -> None:
    assert not [s.name for family in families.values() for s in family.samples if s.name.endswith("_created")]


def test_what_can_be_known_beforehand_is_zero_from_the_start() -> None:
    text = Metrics("0").exposition().decode()
    for kind in catalogue.ERROR_TYPES:
        assert f'ml_prediction_errors_total{{error_type="{kind}",version="none"}} 0.0' in text
    assert 'ml_golden_probes_total{outcome="refused"} 0.0' in text
    assert 'ml_predictions_by_language_total{language="other",result="toxic"} 0.0' in text
    assert 'ml_retraining_runs_total{status="succeeded",trigger="schedule"} 0.0' in text
    assert 'http_request_duration_seconds_count{handler="/predict",method="POST",status="503"} 0.0' in text
    assert "ml_model_status 0.0" in text


def test_a_version_begins_with_zeros_and_leaves_what_it_counted() -> None:
    metrics = filled()
    value = metrics.registry.get_sample_value
    labels = {"version": "1.1.0", "error_type": "timeout"}
    assert value("ml_prediction_errors_total", labels) is None
    metrics.serving(model("1.1.0"), 2000.0)
    assert value("ml_prediction_errors_total", labels) == 0
    assert value("ml_processing_duration_seconds_count", {"version": "1.1.0"}) == 0
    each = {"version": "1.1.0", "result": "toxic", "confidence_level": "low"}
    assert value("ml_predictions_total", each) == 0
    metrics.predicted("1.1.0", "toxic", "low", 0.5, 5, language="en", truncated=False)
    metrics.serving(model("1.0.0"), 3000.0)
    assert value("ml_predictions_total", each) == 1


def test_the_baseline_is_printed_in_prometheus_words() -> None:
    value = filled().registry.get_sample_value
    assert value("ml_confidence_baseline_cdf", {"upper": "1.0", "version": "1.0.0"}) == 1.0
    assert value("ml_confidence_baseline_cdf", {"upper": "0.6", "version": "1.0.0"}) == 0.25


def test_there_is_never_a_moment_without_a_described_model() -> None:
    """The new series come before the old ones go."""
    metrics, seen = filled(), []
    remove = metrics.model_info.remove

    def watching(*labels: str) -> None:
        seen.append(metrics.exposition().decode().count("ml_model_info{"))
        remove(*labels)

    metrics.model_info.remove = watching  # type: ignore[method-assign]
    metrics.serving(model("1.1.0"), 2000.0)
    assert seen == [2]
    assert 'version="1.0.0"' not in "".join(line for line in text_of(metrics) if line.startswith("ml_model"))


def text_of(metrics: Metrics) -> list[str]:
    return metrics.exposition().decode().splitlines()


def test_the_same_version_loaded_again_keeps_its_series() -> None:
    metrics = filled()
    metrics.serving(model("1.0.0"), 2000.0)
    assert metrics.registry.get_sample_value("ml_model_loaded_timestamp_seconds", {"version": "1.0.0"}) == 2000
    assert len([line for line in text_of(metrics) if line.startswith("ml_confidence_baseline_cdf{")]) == len(BASELINE)


def test_a_language_that_is_not_listed_counts_as_other() -> None:
    metrics = filled()
    for language in ("en", "tlh", "x" * 5000, "EN\n"):
        metrics.predicted("1.0.0", "toxic", "high", 0.9, 5, language=language, truncated=False)
    value = metrics.registry.get_sample_value
    assert value("ml_predictions_by_language_total", {"language": "en", "result": "toxic"}) == 1
    assert value("ml_predictions_by_language_total", {"language": "other", "result": "toxic"}) == 3


def test_a_run_that_still_goes_on_has_started_but_not_ended() -> None:
    metrics = Metrics("0")
    metrics.retrained([Run("a", "minilm", "drift", 900.0), Run("b", "minilm", "drift", 700.0, 800.0, "failed")])
    value = metrics.registry.get_sample_value
    assert value("ml_retraining_last_start_timestamp_seconds", {"model": "minilm", "trigger": "drift"}) == 900
    counts = [value("ml_retraining_runs_total", {"trigger": "drift", "status": s}) for s in ("succeeded", "failed")]
    assert counts == [0, 1]


def test_promtool_finds_nothing_to_say_about_a_real_scrape(scraped: str) -> None:
    command = [str(binaries.find("promtool")), "check", "metrics"]
    done = subprocess.run(command, input=scraped, check=False, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_real_scrape_shows_what_happened(scraped: str) -> None:
    for line in (
        'ml_predictions_total{confidence_level="high",result="toxic",version="1.0.0"} 1.0',
        'ml_prediction_errors_total{error_type="prediction_failed",version="1.0.0"} 1.0',
        'http_request_duration_seconds_count{handler="/predict",method="POST",status="422"} 1.0',
        'http_request_duration_seconds_count{handler="/readyz",method="GET",status="200"}',
        "http_requests_in_progress 0.0",
        "ml_model_status 1.0",
    ):
        assert line in scraped


def test_a_scrape_says_its_type_and_version(classifier: FakeClassifier) -> None:
    """Prometheus 3 refuses a scrape that does not."""
    service = service_with(classifier)
    answer = create_app(service).test_client().get("/metrics")
    service.inference.close()
    assert re.fullmatch(r"text/plain; version=\d\.\d\.\d; charset=utf-8", answer.headers["Content-Type"])
