"""What is written into Prometheus: counters, restarts, ends of series, and when alerts were pending and firing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from dev.drills.alerts import _states, rendered
from dev.drills.prometheus import Curve, Prometheus, running_prometheus
from dev.drills.remote_write import STALE, Series
from dev.drills.rules import AlertRule, Recording, in_order, read, record
from dev.drills.samples import service_of
from dev.drills.scenario import Fires, Phase, Scenario, Serves, Truth

NOW = 1_800_000_000


def scenario(
    *phases: Phase, serves: tuple[Serves, ...] = (Serves(version="1.4.0"),), labelled: bool = True
) -> Scenario:
    truth = Truth(cause="it", none="right")
    fires = (Fires(alert="MLErrorRateCritical"),)
    return Scenario(
        name="it", title="It", phases=phases, serves=serves, fires=fires, truth=truth, labelled=labelled,
    )  # fmt: skip


def one(every: Iterable[Series], name: str, **labels: str) -> Series:
    (found,) = [
        each for each in every
        if each.labels["__name__"] == name and all(each.labels.get(label) == value for label, value in labels.items())
    ]  # fmt: skip
    return found


def is_stale(value: float) -> bool:
    return np.float64(value).tobytes() == np.float64(STALE).tobytes()


def test_a_version_that_was_replaced_ends_and_its_counter_stays() -> None:
    replaced = (Serves(version="1.4.0"), Serves(version="1.5.0", ago=600))
    every = list(service_of(scenario(serves=replaced), NOW).series())
    info = one(every, "ml_model_info", pod="toxicity-api-0", version="1.4.0")
    assert is_stale(info.values[-1])
    assert info.times[-1] == (NOW - 600) * 1000
    old = one(
        every, "ml_predictions_total", pod="toxicity-api-0", version="1.4.0", result="toxic", confidence_level="high"
    )
    assert old.times[-1] > NOW * 1000
    assert old.values[-1] == old.values[old.times == (NOW - 600) * 1000][0]


def test_a_restart_begins_counters_at_zero_and_forgets_the_old_version() -> None:
    replaced = (Serves(version="1.4.0"), Serves(version="1.5.0", ago=600, restarts=True))
    every = list(service_of(scenario(serves=replaced), NOW).series())
    old = one(
        every, "ml_predictions_total", pod="toxicity-api-0", version="1.4.0", result="toxic", confidence_level="high"
    )
    assert is_stale(old.values[-1])
    asked = one(every, "http_request_duration_seconds_count", pod="toxicity-api-0", status="200")
    assert asked.values[asked.times == (NOW - 600) * 1000][0] == 0
    assert asked.values[-1] < asked.values[asked.times == (NOW - 615) * 1000][0]


def test_a_dead_pod_ends_and_a_gap_of_prometheus_does_not() -> None:
    dies = Phase(ago=600, pods=(0,), answers=False)
    unseen_for_a_while = Phase(ago=600, until=300, pods=(1,), scraped=False)
    every = list(service_of(scenario(dies, unseen_for_a_while), NOW).series())
    dead, unseen = (one(every, "ml_model_status", pod=f"toxicity-api-{number}") for number in (0, 1))
    assert is_stale(dead.values[-1])
    assert one(every, "up", pod="toxicity-api-0").values[-1] == 0
    assert not any(is_stale(value) for value in unseen.values)
    assert max(np.diff(unseen.times[-100:])) == (300 + 15) * 1000


def test_an_older_api_has_no_versions_on_its_counters() -> None:
    every = list(service_of(scenario(labelled=False), NOW).series())
    versioned = {each.labels["__name__"] for each in every if "version" in each.labels}
    assert "ml_confidence_distribution_count" in versioned
    assert (
        not {"ml_predictions_total", "ml_prediction_errors_total", "ml_processing_duration_seconds_count"} & versioned
    )


def test_what_failed_is_known_by_pod_and_version() -> None:
    half = Phase(ago=600, pods=(2,), failing={"timeout": 0.5, "prediction_failed": 0})
    failed = service_of(scenario(half), NOW).failed_of(NOW - 600, NOW)
    assert 0.45 < failed["toxicity-api-2"][0] / failed["toxicity-api-2"][1] < 0.55
    assert failed["1.4.0"] == tuple(sum(failed[f"toxicity-api-{pod}"][place] for pod in range(3)) for place in (0, 1))


@pytest.mark.parametrize(
    ("true_at", "for_seconds", "keep", "states"),
    [
        ([0, 30, 60], 60, 0, ["pending", "pending", "firing", "", ""]),
        ([0, 60, 90], 60, 0, ["pending", "", "pending", "pending", ""]),
        ([30], 0, 0, ["", "firing", "", "", ""]),
        ([0, 30], 30, 60, ["pending", "firing", "firing", "", ""]),
        ([0, 30, 90], 30, 60, ["pending", "firing", "firing", "firing", "firing"]),
    ],
)
def test_an_alert_waits_and_keeps_firing(true_at: list[int], for_seconds: int, keep: int, states: list[str]) -> None:
    rule = AlertRule("It", "x", for_seconds, keep, {}, {})
    curve = Curve({}, np.array(true_at, np.int64), np.ones(len(true_at)))
    assert [state for state, _ in _states(rule, curve, np.arange(0, 150, 30))] == states


def test_rules_come_after_those_that_they_read() -> None:
    recordings, alerts = read()
    rounds = list(in_order(recordings))
    assert sum(map(len, rounds)) == len(recordings)
    assert len(rounds) > 2
    assert {"MLErrorRateCritical", "TargetDown"} <= {each.name for each in alerts}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ $value | humanizePercentage }} in {{ $labels.namespace }}", "25.13% in ml"),
        ('PSI {{ $value | printf "%.2f" }}', "PSI 0.25"),
        ("{{ $value | humanizeDuration }}", "251.3ms"),
        (
            'Failing:{{ range query (printf "x{a=%q} > 0" $labels.namespace) | sortByLabel "b" }}'
            ' {{ .Labels.b }}={{ .Value | printf "%.2g" }}{{ end }}.',
            "Failing: one=0.5 two=0.25.",
        ),
    ],
)  # fmt: skip
def test_texts_are_those_that_prometheus_would_send(template: str, text: str) -> None:
    def ask(expression: str) -> list[Curve]:
        assert expression == 'x{a="ml"} > 0'
        at = np.array([NOW], np.int64)
        return [Curve({"b": "two"}, at, np.array([0.25])), Curve({"b": "one"}, at, np.array([0.5]))]

    assert rendered(template, {"namespace": "ml"}, 0.2513, ask) == text


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as prometheus:
        yield prometheus


def test_a_real_prometheus_has_the_history_and_its_ends(prometheus: Prometheus) -> None:
    times = np.arange(NOW - 24 * 3600, NOW, 60)
    values = np.arange(len(times), dtype=float)
    values[-1] = STALE
    prometheus.write([Series({"__name__": "x_total", "pod": "a"}, times * 1000, values)])
    (curve,) = prometheus.range("x_total", int(times[0]), NOW, 60)
    assert curve.labels == {"__name__": "x_total", "pod": "a"}
    assert list(curve.times) == list(times[:-1])
    assert list(curve.values) == list(values[:-1])


def test_recorded_series_end_with_what_they_are_made_of(prometheus: Prometheus) -> None:
    ends = NOW - 3600
    times = np.arange(NOW - 2 * 3600, ends, 15)
    prometheus.write([Series({"__name__": "y", "pod": "a"}, times * 1000, np.append(np.ones(len(times) - 1), STALE))])
    rules = [Recording("all:y:sum", "2 * all_of:y:sum"), Recording("all_of:y:sum", "sum(y)", {"kind": "some"})]
    record(prometheus, rules, NOW)
    (curve,) = prometheus.range('all:y:sum{kind="some"}', NOW - 2 * 3600, NOW, 30)
    assert set(curve.values) == {2.0}
    assert ends - 60 <= curve.times[-1] < ends
