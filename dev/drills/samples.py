"""What Prometheus would have scraped from the pods of a scenario: counted events, with the chance of real traffic."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dev.drills import shapes
from dev.drills.remote_write import STALE, Series
from dev.drills.scenario import Scenario
from dev.drills.shapes import Counts, Floats
from dev.drills.timeline import Flags, PodTimeline, lives, timelines

JOB = "toxicity-api"
MEMORY_LIMIT = 2.0 * 1024**3
STATUS = {"prediction_failed": "500", "model_load": "503", "timeout": "504"}


def namespace_of(scenario: Scenario) -> str:
    """Without a word that a pattern could find."""
    return scenario.namespace or f"ml-{zlib.crc32(scenario.name.encode()) % 0xFFFF:04x}"


@dataclass(frozen=True)
class Service:
    """All pods of a scenario. Its chance is the same in every run."""

    scenario: Scenario
    pods: tuple[Pod, ...]

    def series(self) -> Iterator[Series]:
        for pod in self.pods:
            yield from pod.series()

    def failed_of(self, begin: int, end: int) -> dict[str, tuple[int, int]]:
        """How many requests failed, of how many, between two times in seconds: by the names of pods and versions."""
        found: dict[str, tuple[int, int]] = {}
        for pod in self.pods:
            for name, failed, asked in pod.failed_of(begin, end):
                before = found.get(name, (0, 0))
                found[name] = (before[0] + failed, before[1] + asked)
        return found


def service_of(scenario: Scenario, now: int) -> Service:
    chance = np.random.default_rng(zlib.crc32(scenario.name.encode()))
    return Service(scenario, tuple(Pod(scenario, pod, chance) for pod in timelines(scenario, now)))


class Pod:
    def __init__(self, scenario: Scenario, pod: PodTimeline, chance: np.random.Generator) -> None:
        self._scenario, self._pod, self._chance = scenario, pod, chance
        self._labels = {
            "namespace": namespace_of(scenario), "job": JOB, "pod": pod.name, "instance": f"{pod.name}:8100",
        }  # fmt: skip
        seconds = np.diff(pod.times, prepend=pod.times[0])
        # what a pod that does not answer gets is lost; after a gap in the scrapes the counters have gone on
        asked = chance.poisson(pod.traffic * seconds * (pod.answers & ~pod.gone))
        self._failed: dict[str, Counts] = {}
        left = asked
        for error, share in pod.failing.items():
            none = ~pod.model if error == "model_load" else False
            failed = chance.binomial(left, np.where(none, 1.0, share))
            left = left - failed
            self._failed[error] = failed + pod.stray[error]
        self._done = left

    def failed_of(self, begin: int, end: int) -> Iterator[tuple[str, int, int]]:
        pod = self._pod
        failed: Counts = np.sum(list(self._failed.values()), 0)
        when = (pod.times > begin) & (pod.times <= end)
        yield pod.name, int(failed[when].sum()), int((self._done + failed)[when].sum())
        for index, version in enumerate(self._scenario.versions):
            here = when & (pod.version == index)
            yield version, int(failed[here].sum()), int((self._done + failed)[here].sum())

    def series(self) -> Iterator[Series]:
        yield from self._versioned()
        yield from self._errors()
        yield from self._http()
        yield from self._lengths()
        yield from self._gauges()

    def _versioned(self) -> Iterator[Series]:
        """What has the label `version`: the confidence always did."""
        if not self._scenario.labelled:
            yield from self._predictions(self._done, {}, self._ever(None))
            yield from self._processing(self._done, {}, self._ever(None))
        for index, version in enumerate(self._scenario.versions):
            here = self._ever(index)
            if not here.any():
                continue
            done = self._done * (self._pod.version == index)
            labels = {"version": version} if version else {}
            yield from self._confidence(done, labels, here)
            if self._scenario.labelled:
                yield from self._predictions(done, labels, here)
                yield from self._processing(done, labels, here)

    def _ever(self, index: int | None) -> Flags:
        """Where its series are: from when a process first served this version until the process ends."""
        served = self._pod.exports & self._pod.model
        served = served if index is None else served & (self._pod.version == index)
        found = np.zeros(len(served), bool)
        for begin, end in lives(self._pod):
            found[begin:end] = np.maximum.accumulate(served[begin:end])
        return found & self._pod.exports

    def _predictions(self, done: Counts, labels: Mapping[str, str], here: Flags) -> Iterator[Series]:
        toxic = self._chance.binomial(done, self._pod.toxic)
        shares = _rows(shapes.confidence, self._pod.unusual)
        levels = {"low": shares[:, :3].sum(1), "medium": shares[:, 3:8].sum(1)}
        for result, count in (("toxic", toxic), ("non_toxic", done - toxic)):
            left = count
            for level, share in levels.items():
                part = self._chance.binomial(left, np.clip(share, 0, 1))
                yield self._counter("ml_predictions_total", part, here, result=result, confidence_level=level, **labels)
                left = left - part
            yield self._counter("ml_predictions_total", left, here, result=result, confidence_level="high", **labels)

    def _confidence(self, done: Counts, labels: Mapping[str, str], here: Flags) -> Iterator[Series]:
        counts = self._spread(done, _rows(shapes.confidence, self._pod.unusual))
        total = counts @ shapes.middle_confidence()
        yield from self._histogram("ml_confidence_distribution", counts, total, shapes.CONFIDENCE, here, **labels)

    def _processing(self, done: Counts, labels: Mapping[str, str], here: Flags) -> Iterator[Series]:
        counts, total = self._timed(done, self._pod.median, self._pod.p95, shapes.PROCESSING)
        yield from self._histogram("ml_processing_duration_seconds", counts, total, shapes.PROCESSING, here, **labels)

    def _errors(self) -> Iterator[Series]:
        for error, failed in self._failed.items():
            if not self._scenario.labelled:
                exports = self._pod.exports
                yield self._counter("ml_prediction_errors_total", failed, exports, error_type=error)
                continue
            for index, version in enumerate(self._scenario.versions):
                here = self._ever(index)
                mine = failed * (self._pod.version == index)
                if here.any():
                    labels = {"version": version} if version else {}
                    yield self._counter("ml_prediction_errors_total", mine, here, error_type=error, **labels)

    def _http(self) -> Iterator[Series]:
        exports, pod = self._pod.exports, self._pod
        route = {"method": "POST", "handler": "/predict"}
        counts, total = self._timed(self._done, pod.median + pod.queue, pod.p95 + 3 * pod.queue, shapes.HTTP)
        name = "http_request_duration_seconds"
        yield from self._histogram(name, counts, total, shapes.HTTP, exports, **route, status="200")
        for error, failed in self._failed.items():
            if not failed.any():  # zeros that add nothing to any sum
                continue
            seconds = 4.0 if error == "timeout" else 0.01
            slow = np.zeros((len(failed), len(shapes.HTTP) + 1), np.int64)
            slow[:, -2 if error == "timeout" else 0] = failed
            labels = {**route, "status": STATUS[error]}
            yield from self._histogram(name, slow, failed.astype(np.float64) * seconds, shapes.HTTP, exports, **labels)

    def _lengths(self) -> Iterator[Series]:
        exports = self._pod.exports
        shares = _rows(lambda median: shapes.log_normal(median, shapes.SPREAD_TOKENS, shapes.TOKENS), self._pod.tokens)
        counts = self._spread(self._done, shares)
        mean = shapes.mean_of(1.0, shapes.SPREAD_TOKENS) * self._pod.tokens
        yield from self._histogram("ml_input_tokens", counts, self._done * mean, shapes.TOKENS, exports)
        cut = counts[:, shapes.TOKENS.index(shapes.LONGEST_TOKENS) + 1 :].sum(1)
        yield self._counter("ml_input_truncated_total", cut, exports)
        waited, total = self._timed(self._done, self._pod.queue, 3 * self._pod.queue, shapes.QUEUE)
        yield from self._histogram("ml_queue_duration_seconds", waited, total, shapes.QUEUE, exports)

    def _gauges(self) -> Iterator[Series]:
        pod, exports = self._pod, self._pod.exports
        yield self._gauge("up", pod.answers.astype(float), pod.scraped & ~pod.gone)
        yield self._gauge("ml_model_status", pod.model.astype(float), exports)
        noise = self._chance.normal(0, 0.003, len(pod.times))
        yield self._gauge("app_memory_usage_bytes", np.round((pod.memory + noise) * MEMORY_LIMIT), exports)
        yield self._gauge("app_memory_limit_bytes", np.full(len(pod.times), MEMORY_LIMIT), exports)
        yield self._gauge("http_requests_in_progress", self._chance.poisson(pod.in_flight).astype(float), exports)
        yield self._gauge("process_start_time_seconds", pod.born.astype(float), exports)
        for trigger in ("manual", "drift", "schedule"):
            yield self._gauge(
                "ml_retraining_last_start_timestamp_seconds", np.zeros(len(pod.times)), exports,
                model="toxicity", trigger=trigger,
            )  # fmt: skip
        for index, version in enumerate(self._scenario.versions):
            if version:
                yield from self._model(version, exports & pod.model & (pod.version == index))

    def _model(self, version: str, here: Flags) -> Iterator[Series]:
        if not here.any():
            return
        one = np.ones(len(here))
        about = {"model": "toxicity", "framework": "onnxruntime", "quantization": "int8", "git_sha": "unknown"}
        yield self._gauge("ml_model_info", one, here, version=version, **about)
        yield self._gauge("ml_model_loaded_timestamp_seconds", self._pod.loaded.astype(float), here, version=version)
        for upper, share in zip(shapes.CONFIDENCE, shapes.TRAINED, strict=True):
            labels = {"version": version, "upper": str(upper)}
            yield _thinned(self._gauge("ml_confidence_baseline_cdf", one * share, here, **labels))

    def _timed(self, done: Counts, median: Floats, p95: Floats, bounds: Sequence[float]) -> tuple[Counts, Floats]:
        pairs = np.round(np.stack([median, p95], 1), 6)
        unique, place = np.unique(pairs, axis=0, return_inverse=True)
        sigmas = [shapes.sigma_of(float(low), float(high)) for low, high in unique]
        shares = [
            shapes.log_normal(float(each[0]), sigma, tuple(bounds)) for each, sigma in zip(unique, sigmas, strict=True)
        ]
        means = np.array([shapes.mean_of(float(each[0]), sigma) for each, sigma in zip(unique, sigmas, strict=True)])
        place = place.reshape(-1)
        return self._spread(done, np.array(shares)[place]), done * means[place]

    def _spread(self, done: Counts, shares: Floats) -> Counts:
        positive = np.clip(shares, 0, None)
        return self._chance.multinomial(done, positive / positive.sum(1, keepdims=True))

    def _histogram(
        self, name: str, counts: Counts, total: Floats, bounds: Sequence[float], here: Flags, **labels: str
    ) -> Iterator[Series]:
        cumulative = np.cumsum(counts, 1)
        for place, bound in enumerate([*map(str, bounds), "+Inf"]):
            yield self._counter(f"{name}_bucket", cumulative[:, place], here, le=bound, **labels)
        yield self._counter(f"{name}_count", cumulative[:, -1], here, **labels)
        yield self._counter(f"{name}_sum", total, here, **labels)

    def _counter(self, name: str, counts: Counts | Floats, here: Flags, **labels: str) -> Series:
        values = np.cumsum(counts).astype(np.float64)
        for begin, _ in lives(self._pod):
            if begin:  # what was counted before is not known to the new process
                values[begin:] -= values[begin]
        return self._gauge(name, values, here, **labels)

    def _gauge(self, name: str, values: Floats, here: Flags, **labels: str) -> Series:
        """Its end is marked when a scrape was tried: as Prometheus does."""
        ended = np.zeros(len(here), bool)
        ended[1:] = here[:-1] & ~here[1:]
        ended &= self._pod.scraped
        kept = here | ended
        shown = np.where(ended, STALE, values)
        return Series({"__name__": name, **self._labels, **labels}, self._pod.times[kept] * 1000, shown[kept])


def _rows(shares: Callable[[float], tuple[float, ...]], values: Floats) -> Floats:
    """A row for each value."""
    unique, place = np.unique(np.round(values, 6), return_inverse=True)
    return np.array([shares(float(each)) for each in unique])[place.reshape(-1)]


def _thinned(series: Series) -> Series:
    """With a sample in four minutes, which is as good for what never changes; its first and last ones stay."""
    kept = np.ones(len(series.times), bool)
    kept[1:-1] = series.times[1:-1] % 240_000 < np.diff(series.times)[:-1]
    return Series(series.labels, series.times[kept], series.values[kept])


def poorer(series: Series) -> Series:
    """Every second scrape, and not how it ended."""
    kept = ~np.isnan(series.values) & (series.times % 30_000 < 15_000)
    return Series(series.labels, series.times[kept], series.values[kept])
