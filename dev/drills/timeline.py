"""What each pod does at each moment of a scenario: its phases laid over each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dev.drills.scenario import HISTORY_SECONDS, Latency, Phase, Scenario, Serves
from dev.drills.shapes import Counts, Floats

Flags = npt.NDArray[np.bool_]
Times = npt.NDArray[np.int64]
COARSE_SECONDS, FINE_SECONDS = 140, 15  # a rate over 5 minutes needs two
LONG_SECONDS = 45  #: instead of the coarse ones, where trouble began long ago
FINE_FOR = 8100  #: before the notification
TAIL_SECONDS = 900  #: what happened last goes on for so long after it
USUAL_LATENCY = Latency(median=0.035, p95=0.07)


def grid(now: int, coarse: int = COARSE_SECONDS, fine: int = FINE_SECONDS) -> Times:
    """Seconds since the epoch at which everything is scraped."""
    old = np.arange(now - int(HISTORY_SECONDS), now - FINE_FOR, coarse, dtype=np.int64)
    return np.concatenate([old, np.arange(now - FINE_FOR, now + TAIL_SECONDS + 1, fine, dtype=np.int64)])


@dataclass
class PodTimeline:
    """One value for each scrape. `version` is an index of Scenario.versions; `born` is when its process began."""

    name: str
    times: Times
    version: npt.NDArray[np.int64]
    born: Times
    loaded: Times
    traffic: Floats
    in_flight: Floats
    memory: Floats
    toxic: Floats
    unusual: Floats
    tokens: Floats
    queue: Floats
    median: Floats
    p95: Floats
    scraped: Flags
    answers: Flags
    model: Flags
    gone: Flags
    failing: dict[str, Floats] = field(default_factory=dict)
    stray: dict[str, Counts] = field(default_factory=dict)  #: failures that are no chance

    @property
    def exports(self) -> Flags:
        return self.scraped & self.answers & ~self.gone


def timelines(scenario: Scenario, now: int) -> list[PodTimeline]:
    times = grid(now, LONG_SECONDS if scenario.long else COARSE_SECONDS)
    times = times[times >= now - int(scenario.began)]
    return [_pod(scenario, index, times, now) for index in range(scenario.pods)]


def _pod(scenario: Scenario, index: int, times: Times, now: int) -> PodTimeline:
    pod = _usual(scenario, index, times, now)
    for serves in sorted(scenario.serves, key=lambda each: -each.ago):
        if serves.pods is None or index in serves.pods:
            _serve(pod, serves, scenario.versions.index(serves.version), now)
    for phase in scenario.phases:
        if phase.pods is None or index in phase.pods:
            _lay(pod, phase, _where(pod, phase, scenario, now), now)
    return pod


def _usual(scenario: Scenario, index: int, times: Times, now: int) -> PodTimeline:
    def constant(value: float) -> Floats:
        return np.full(len(times), value)

    began = now - int(scenario.began) - (0 if scenario.began < HISTORY_SECONDS else 3 * 86400)
    yes = np.ones(len(times), bool)
    begun = np.full(len(times), began, np.int64)
    pod = PodTimeline(
        f"toxicity-api-{index}", times, np.zeros(len(times), np.int64), begun, begun.copy(),
        constant(scenario.requests / scenario.pods), constant(2.0), constant(0.42 + 0.01 * index), constant(0.12),
        constant(0.0), constant(24.0), constant(0.004), constant(USUAL_LATENCY.median), constant(USUAL_LATENCY.p95),
        yes.copy(), yes.copy(), yes.copy(), ~yes,
    )  # fmt: skip
    pod.failing = {"model_load": constant(0.0), "prediction_failed": constant(0.001), "timeout": constant(0.0005)}
    pod.stray = {error: np.zeros(len(times), np.int64) for error in pod.failing}
    return pod


def _serve(pod: PodTimeline, serves: Serves, version: int, now: int) -> None:
    begins = now - int(serves.ago)
    since = pod.times >= begins
    pod.version[since] = version
    if serves.ago < HISTORY_SECONDS:
        pod.loaded[since] = begins
        if serves.restarts:
            pod.born[since] = begins


def _where(pod: PodTimeline, phase: Phase, scenario: Scenario, now: int) -> Flags:
    where = pod.times >= now - int(phase.ago)
    if phase.until is not None:
        where &= pod.times < now - int(phase.until)
    if phase.version is not None:
        where &= pod.version == scenario.versions.index(phase.version)
    return where


def _lay(pod: PodTimeline, phase: Phase, where: Flags, now: int) -> None:
    if phase.traffic is not None:
        pod.traffic[where] *= phase.traffic
    for error, share in (phase.failing or {}).items():
        pod.failing[error][where] = share
    for error, count in (phase.stray or {}).items():
        pod.stray[error][np.flatnonzero(where)[:1]] += count
    if phase.latency is not None:
        pod.median[where], pod.p95[where] = phase.latency.median, phase.latency.p95
    for name in ("in_flight", "toxic", "unusual", "tokens", "queue", "answers", "scraped", "model", "gone"):
        if (value := getattr(phase, name)) is not None:
            getattr(pod, name)[where] = value
    if phase.memory is not None:
        _climb(pod, phase, where, now)
    if phase.restarts:
        again = pod.times >= now - int(phase.ago)
        pod.born[again] = pod.loaded[again] = now - int(phase.ago)


def _climb(pod: PodTimeline, phase: Phase, where: Flags, now: int) -> None:
    """In a straight line, which goes on after the notification."""
    first, last = phase.memory or (0.0, 0.0)
    done = (pod.times[where] - (now - phase.ago)) / (phase.ago - (phase.until or 0.0))
    pod.memory[where] = np.minimum(0.995, first + (last - first) * done)


def lives(pod: PodTimeline) -> Iterator[tuple[int, int]]:
    """First and last index (excluded) of each process, for its counters begin at 0."""
    begins = [0, *(np.flatnonzero(np.diff(pod.born)) + 1).tolist(), len(pod.times)]
    yield from pairwise(begins)


def answering(pods: list[PodTimeline], now: int) -> int:
    """How many were measured at the last scrape."""
    last = int(np.flatnonzero(pods[0].times <= now)[-1])
    return sum(bool(pod.exports[last]) for pod in pods)


def is_silent(pods: list[PodTimeline], now: int) -> bool:
    """Whether no pod with any traffic has been measured in the last minute."""
    recent = (pods[0].times > now - 60) & (pods[0].times <= now)
    return not any((pod.exports & (pod.traffic > 0))[recent].any() for pod in pods)
