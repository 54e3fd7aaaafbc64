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
from bridge.core.facts import ChangeEvent, Context, Verdict
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


def test_a_bad_deployment(prometheus: str) -> None:
    context = context_of(prometheus, "deploy", "errors", [a_deployment("1.1.0")])
    assert context.hypothesis is not None
    assert "new_version_fails" == context.hypothesis.rule
    told = "100 % of the errors come from 1.1.0, 1.0.0 runs beside it."
    assert f"1.1.0 was deployed 6 min before; {told}" == context.hypothesis.text
    assert pytest.approx(3.01 / 15.01, rel=0.02) == value(context, "failed_share")
    failed = next(fact for fact in context.facts if fact.name == "failed_share")
    assert Verdict.BAD is failed.verdict
    versions = next(fact for fact in context.facts if fact.name == "versions")
    assert {"1.0.0": 1.0, "1.1.0": 2.0} == {part.name: part.value for part in versions.parts}


def test_counters_that_name_the_version_give_the_same_evidence(prometheus: str) -> None:
    """Also of a pod whose counters name both the version that it serves and the one before."""

    def failing(namespace: str) -> dict[str, tuple[float, float | None]]:
        context = context_of(prometheus, namespace, "errors")
        fact = next(fact for fact in context.facts if fact.name == "failing_by_version")
        return {part.name: (part.value, part.of) for part in fact.parts}

    assert set(failing("labelled")) == {"1.0.0", "1.1.0"}
    assert failing("labelled") == failing("deploy")


def test_a_bad_deployment_that_nobody_told_of_is_seen_in_the_metrics(prometheus: str) -> None:
    context = context_of(prometheus, "deploy", "errors")
    assert [("1.1.0", "appeared")] == [(change.version, change.kind) for change in context.changes]
    assert context.hypothesis is not None
    assert "new_version_fails" == context.hypothesis.rule
    assert re.match(r"1\.1\.0 began to serve \(seen in the metrics\) \d+ min before; 100 %", context.hypothesis.text)


def test_a_pod_that_is_gone(prometheus: str) -> None:
    context = context_of(prometheus, "gone", "model")
    assert context.hypothesis is not None
    assert ("pods_missing", "Pods with a model: 2 of 3.") == (context.hypothesis.rule, context.hypothesis.text)
    assert () == context.changes


def test_one_pod_of_three(prometheus: str) -> None:
    context = context_of(prometheus, "onepod", "errors")
    assert context.hypothesis is not None
    assert "one_pod_fails" == context.hypothesis.rule
    assert "api-2" in context.hypothesis.text


def test_an_overload(prometheus: str) -> None:
    context = context_of(prometheus, "overload", "saturation")
    assert context.hypothesis is not None
    assert "overload" == context.hypothesis.rule
    assert re.match(r"Requests: 1[3-5] x what is usual", context.hypothesis.text)
    assert 70.0 == value(context, "in_flight")


def test_a_drift(prometheus: str) -> None:
    context = context_of(prometheus, "drift", "confidence")
    assert value(context, "drift") > 0.2
    assert context.hypothesis is not None
    assert "inputs_drifted" == context.hypothesis.rule


def test_nothing_that_was_asked_is_refused(prometheus: str) -> None:
    """Every shipped question is answered, or has no data in this short life; none is wrong."""
    told = {each.why for name in ("deploy", "drift") for each in context_of(prometheus, name, "latency").unknown}
    assert told <= {"no data"}
