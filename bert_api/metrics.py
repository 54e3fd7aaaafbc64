"""Everything that the API measures, by the names, labels and buckets that the alert rules stand on.

Invariant: a label value comes from the lists here or from the model's own description, never from what was sent;
every series that can be known beforehand exists from the start, as 0.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from bert_api.model.prediction import CONFIDENCE_BOUNDS, ModelInfo
from bert_api.training.history import Run

CONTENT_TYPE = CONTENT_TYPE_LATEST

PROCESSING_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0, 5.0)
QUEUE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0)
TOKEN_BUCKETS = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)

RESULTS = ("toxic", "non_toxic")
CONFIDENCE_LEVELS = ("high", "medium", "low")
ERROR_TYPES = ("model_load", "prediction_failed", "timeout")
#: the version of a failure while no model is loaded, and none is known that should be
NO_VERSION = "none"
#: refused: it had the header, but no right to it, and was counted as traffic
PROBE_OUTCOMES = ("answered", "failed", "refused")
TRIGGERS = ("manual", "drift", "schedule")
RETRAINING_STATUSES = ("succeeded", "rejected", "failed")
OTHER_LANGUAGE = "other"
#: ISO 639 codes that get a series of their own; "und" (undetermined) when the caller names none
LANGUAGES = ("ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ru", "tr", "uk", "zh", "und")
PREDICT_ANSWERS = ("200", "400", "413", "415", "422", "500", "503", "504")


#: a gauge, the values of its labels, and its own value
Series = tuple[Gauge, tuple[str, ...], float]


@dataclass
class Metrics:
    """Give each test a Metrics of its own; a process has one."""

    version: str
    git_sha: str = "unknown"
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no switch for one registry
        self._served: tuple[Series, ...] = ()
        self._predictions()
        self._http()
        self._model()
        self._application()
        self._retrainings = RetrainingCollector()
        self.registry.register(self._retrainings)
        ProcessCollector(registry=self.registry)

    def _predictions(self) -> None:
        self.predictions = self._counter("ml_predictions", "Texts classified", "version", "result", "confidence_level")
        self.languages = self._counter(
            "ml_predictions_by_language",
            "Texts classified, by the language that the caller named",
            "language",
            "result",
        )
        self.errors = self._counter(
            "ml_prediction_errors", "Failures on our side; a caller's mistake never counts", "version", "error_type"
        )
        self.truncated = self._counter("ml_input_truncated", "Texts longer than the model's limit")
        self.confidence = self._histogram(
            "ml_confidence_distribution", "Confidence max(p, 1 - p) of each prediction", CONFIDENCE_BOUNDS, "version"
        )
        self.processing = self._histogram(
            "ml_processing_duration_seconds",
            "Inference of one request, without its wait",
            PROCESSING_BUCKETS,
            "version",
        )
        self.queueing = self._histogram(
            "ml_queue_duration_seconds", "Wait of one request for the inference slot", QUEUE_BUCKETS
        )
        self.tokens = self._histogram("ml_input_tokens", "Tokens of each text, before it is cut", TOKEN_BUCKETS)
        self.probes = self._counter("ml_golden_probes", "Requests with the header of a golden probe", "outcome")
        _create(self.languages, ((each, result) for each in (*LANGUAGES, OTHER_LANGUAGE) for result in RESULTS))
        self.may_fail(NO_VERSION)
        _create(self.probes, ((outcome,) for outcome in PROBE_OUTCOMES))

    def _http(self) -> None:
        self.requests = self._histogram(
            "http_request_duration_seconds",
            "HTTP requests, by route template",
            HTTP_BUCKETS,
            "method",
            "handler",
            "status",
        )
        self.in_progress = self._gauge(
            "http_requests_in_progress", "Requests that are being answered, waiting included"
        )
        _create(self.requests, (("POST", "/predict", status) for status in PREDICT_ANSWERS))

    def _model(self) -> None:
        self.status = self._gauge("ml_model_status", "1 while a model is loaded and passed its warm-up")
        labels = ("model", "version", "framework", "quantization", "git_sha")
        self.model_info = self._gauge("ml_model_info", "The model that answers; always 1", *labels)
        self.loaded = self._gauge("ml_model_loaded_timestamp_seconds", "When the model began to answer", "version")
        self.baseline = self._gauge(
            "ml_confidence_baseline_cdf", "Share of held-out training texts up to a confidence", "upper", "version"
        )

    def _application(self) -> None:
        self.memory_usage = self._gauge("app_memory_usage_bytes", "Memory of the control group, else resident memory")
        self.memory_limit = self._gauge("app_memory_limit_bytes", "Memory limit of the control group; 0 without one")
        build = self._gauge("app_build_info", "The code that runs; always 1", "version", "git_sha")
        build.labels(self.version, self.git_sha).set(1)

    def watch_memory(self, usage: Callable[[], float], limit: Callable[[], float]) -> None:
        """Both are asked at each scrape, and answer in bytes."""
        self.memory_usage.set_function(usage)
        self.memory_limit.set_function(limit)

    def serving(self, model: ModelInfo, loaded_at: float) -> None:
        """This model answers from `loaded_at` (seconds since the epoch) on, and no other.

        The new series come before the old ones go, so that no scrape sees a moment without a model.
        """
        self.expect(model.version)
        self._retrainings.know(model.name)
        former, self._served = self._served, tuple(self._series_of(model, loaded_at))
        for gauge, labels, value in self._served:
            gauge.labels(*labels).set(value)
        self.status.set(1)
        self._forget(former)

    def expect(self, version: str) -> None:
        """This version may answer or fail from now on: its counters are there as 0, so that increase() sees the first
        error. They stay when another version takes over, for what was counted is history."""
        _create(self.predictions, ((version, result, level) for result in RESULTS for level in CONFIDENCE_LEVELS))
        self.may_fail(version)
        _create(self.processing, ((version,),))
        _create(self.confidence, ((version,),))

    def may_fail(self, version: str) -> None:
        """It begins to load, and may never answer."""
        _create(self.errors, ((version, error) for error in ERROR_TYPES))

    def not_serving(self) -> None:
        """No model answers: the status falls to 0, and the description goes."""
        self.status.set(0)
        former, self._served = self._served, ()
        self._forget(former)

    def _series_of(self, model: ModelInfo, loaded_at: float) -> Iterator[Series]:
        yield self.model_info, (model.name, model.version, model.framework, model.quantization, self.git_sha), 1.0
        yield self.loaded, (model.version,), loaded_at
        for upper, share in model.baseline:
            bound: str = floatToGoString(upper)  # type: ignore[no-untyped-call]
            yield self.baseline, (bound, model.version), share

    def _forget(self, former: tuple[Series, ...]) -> None:
        kept = {(gauge, labels) for gauge, labels, _ in self._served}
        for gauge, labels, _ in former:
            if (gauge, labels) not in kept:
                gauge.remove(*labels)

    def predicted(
        self, version: str, result: str, level: str, confidence: float, tokens: int, *, language: str, truncated: bool
    ) -> None:
        """One text was classified. A language without a series of its own counts as other."""
        self.predictions.labels(version, result, level).inc()
        self.languages.labels(language if language in LANGUAGES else OTHER_LANGUAGE, result).inc()
        self.confidence.labels(version).observe(confidence)
        self.tokens.observe(tokens)
        if truncated:
            self.truncated.inc()

    def failed(self, version: str, error_type: str, count: int = 1) -> None:
        """`version` is the one that failed, else NO_VERSION; `error_type` is one of ERROR_TYPES."""
        self.errors.labels(version, error_type).inc(count)

    def probed(self, outcome: str) -> None:
        """`outcome` is one of PROBE_OUTCOMES."""
        self.probes.labels(outcome).inc()

    def retrained(self, runs: Iterable[Run]) -> None:
        """All runs that the history knows; they replace what was known before."""
        self._retrainings.show(runs)

    def exposition(self) -> bytes:
        """The text of GET /metrics; its Content-Type is CONTENT_TYPE."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)


def _create(metric: Counter | Histogram, children: Iterable[tuple[str, ...]]) -> None:
    for child in children:
        metric.labels(*child)


class RetrainingCollector(Collector):
    """The trainer is a process of its own that comes and goes, so its runs are counted from their history."""

    def __init__(self) -> None:
        self._models: frozenset[str] = frozenset()
        self._counts: Mapping[tuple[str, str], int] = {}
        self._starts: Mapping[tuple[str, str], float] = {}

    def know(self, model: str) -> None:
        """A model that can be retrained; its series are there from now on."""
        self._models |= {model}

    def show(self, runs: Iterable[Run]) -> None:
        counts: Tally[tuple[str, str]] = Tally()
        starts: dict[tuple[str, str], float] = {}
        for run in runs:
            if run.status in RETRAINING_STATUSES:
                counts[run.trigger, run.status] += 1
            key = (run.model, run.trigger)
            starts[key] = max(run.started_at, starts.get(key, 0.0))
        self._counts, self._starts = counts, starts

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        yield self._runs()
        text = "When the last retraining began; 0 when there was none"
        family = GaugeMetricFamily("ml_retraining_last_start_timestamp_seconds", text, labels=["model", "trigger"])
        none = {(model, trigger): 0.0 for model in sorted(self._models) for trigger in TRIGGERS}
        for labels, started in (none | dict(self._starts)).items():
            family.add_metric(labels, started)
        yield family

    def _runs(self) -> CounterMetricFamily:
        family = CounterMetricFamily("ml_retraining_runs", "Retrainings that have ended", labels=["trigger", "status"])
        none = {(trigger, status): 0 for trigger in TRIGGERS for status in RETRAINING_STATUSES}
        for labels, count in (none | dict(self._counts)).items():
            family.add_metric(labels, count)
        return family
