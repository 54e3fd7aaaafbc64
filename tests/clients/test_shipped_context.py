"""The shipped questions, put to a real Prometheus by the real client: the right facts, and the right conclusion."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.app.settings import load
from bridge.clients.context_gathering import Gatherer, QueryLimits
from bridge.clients.prometheus import Prometheus, Server
from bridge.core.facts import ChangeEvent, Confidence, Context, Hypothesis, Verdict
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Status
from tests.builders import a_group
from tests.clients.story import running_prometheus
from tests.end_to_end.machines import ROOT

ENVIRON = dict.fromkeys(("PAGERDUTY_ROUTING_KEY", "SLACK_BOT_TOKEN", "ALERTMANAGER_TOKEN"), "x" * 32)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_prometheus(tmp_path_factory.mktemp("story")) as url:
        yield url


def context_of(url: str, namespace: str, cause: str, changes: Sequence[ChangeEvent] = ()) -> Context:
    """What a message about an alert of that cause in that namespace would say."""
    labels = {"alertname": "X", "severity": "critical", "service": "toxicity-api", "cause": cause}
    labels |= {"namespace": namespace, "job": "toxicity-api"}
    now = datetime.now(UTC)
    alert = Alert("f", Status.FIRING, labels, {}, now - timedelta(minutes=1))
    change = receive(None, a_group(alert), now, Rules(), "u")
    assert change is not None
    incident = change.incident
    settings = load(Path(ROOT / "routes.yaml"), ENVIRON).context
    assert settings is not None

    async def ask() -> Context:
        source = Prometheus(Server(url), lambda: datetime.now(UTC))
        limits = QueryLimits(budget=20.0, per_query=20.0)
        gatherer = Gatherer(source, settings.questions, settings.labels, limits, lambda: datetime.now(UTC))
        try:
            return await gatherer.gather(incident, changes)
        finally:
            await gatherer.close()

    return asyncio.run(ask())


def value(context: Context, name: str) -> float:
    fact = next(fact for fact in context.facts if fact.name == name)
    assert fact.value is not None
    return fact.value


def a_deployment(version: str) -> ChangeEvent:
    at = datetime.now(UTC) - timedelta(minutes=7)
    return ChangeEvent("deploy", "toxicity-api", at, f"toxicity-api {version} was deployed", version=version, by="ci")


def claim(context: Context) -> Hypothesis:
    assert context.hypothesis is not None
    return context.hypothesis


COUNTS = r"fails \([\d,]+ of [\d,]+ against \d+ of [\d,]+ by 1\.0\.0\)"


def test_a_bad_deployment(prometheus: str) -> None:
    context = context_of(prometheus, "deploy", "errors", [a_deployment("1.1.0")])
    assert (claim(context).rule, claim(context).confidence) == ("version_fails", Confidence.LIKELY)
    assert re.match(rf"1\.1\.0, deployed \d min ago, as the errors began, {COUNTS}\.$", claim(context).text)
    assert pytest.approx(3.01 / 15.01, rel=0.05) == value(context, "failed_share")
    failed = next(fact for fact in context.facts if fact.name == "failed_share")
    assert Verdict.BAD is failed.verdict
    versions = next(fact for fact in context.facts if fact.name == "versions")
    assert {part.name: part.value for part in versions.parts} == {"1.0.0": 1.0, "1.1.0": 2.0}


def test_the_trouble_is_dated_before_its_alert(prometheus: str) -> None:
    context = context_of(prometheus, "deploy", "errors", [a_deployment("1.1.0")])
    assert context.onset is not None
    began = datetime.now(UTC) - context.onset.at
    assert timedelta(minutes=5) < began < timedelta(minutes=10)


def test_the_version_that_counted_an_error_is_the_one_that_failed(prometheus: str) -> None:
    """Also of a pod whose counters name both the version that it serves and the one before."""
    context = context_of(prometheus, "labelled", "errors")
    by_version = next(fact for fact in context.facts if fact.name == "failing_by_version")
    bad = {part.name: part.value / (part.of or 1) for part in by_version.parts}
    assert bad == {"1.1.0": pytest.approx(1.5 / 5.5, rel=0.1), "1.0.0": pytest.approx(0.0025, abs=0.002)}


@pytest.mark.parametrize("namespace", ["deploy", "labelled"])
def test_a_bad_deployment_that_nobody_told_of_is_seen_in_the_metrics(prometheus: str, namespace: str) -> None:
    context = context_of(prometheus, namespace, "errors")
    assert [(change.version, change.kind) for change in context.changes] == [("1.1.0", "appeared")]
    assert re.match(rf"1\.1\.0, serving since \d min ago, as the errors began, {COUNTS}", claim(context).text)


def test_a_pod_that_is_gone(prometheus: str) -> None:
    context = context_of(prometheus, "gone", "model_down")
    assert claim(context).rule == "pods_missing"
    assert re.match(r"2 of 3 pods answer Prometheus, not api-2 for \d+ min\.$", claim(context).text)
    assert context.changes == ()


def test_one_pod_of_three(prometheus: str) -> None:
    context = context_of(prometheus, "onepod", "errors")
    assert claim(context).rule == "pod_fails"
    assert re.match(r"api-2 fails \([\d,]+ of [\d,]+ against \d+ of [\d,]+ on the other 2 pods\)", claim(context).text)


def test_an_overload(prometheus: str) -> None:
    context = context_of(prometheus, "overload", "saturation")
    assert claim(context).rule == "overload"
    assert re.match(r"1[3-6] x the usual traffic", claim(context).text)
    assert value(context, "in_flight") == 70.0


def test_a_drift(prometheus: str) -> None:
    context = context_of(prometheus, "drift", "confidence")
    assert value(context, "drift") > 0.2
    assert (claim(context).rule, claim(context).confidence) == ("inputs_changed", Confidence.POSSIBLE)


def test_nothing_that_was_asked_is_refused(prometheus: str) -> None:
    """Every shipped question is answered, or has no data in this short life; none is wrong."""
    told = {each.why for name in ("deploy", "drift") for each in context_of(prometheus, name, "latency").unknown}
    assert told <= {"no data"}
