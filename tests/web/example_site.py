"""The pages on a real server and store with awkward data: long names, many alerts, other scripts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from werkzeug.serving import make_server

from bridge.app.settings import load_text
from bridge.app.wiring import policy_of
from bridge.charts.drawing import draw
from bridge.config import Settings
from bridge.core.charts.chart import Line, LineChart, Mark, Picture, in_words
from bridge.core.charts.expressions import Threshold
from bridge.core.context.series import Span
from bridge.core.errors import Reason
from bridge.core.facts import ChangeEvent, Context, Onset, Unit
from bridge.core.model import Alert, Group, Status
from bridge.core.ports import ChannelCapacity, Claim, GiveUp, Sent
from bridge.observability.metrics import Metrics
from bridge.rendering.sample import sample_context
from bridge.store import (
    StoreActions,
    StoreChanges,
    StoreCharts,
    StoreContexts,
    StoreDeliveries,
    StoreIntake,
    StoreReader,
    open_database,
)
from bridge.web import create_app

NOW = datetime(2026, 11, 23, 3, 40, tzinfo=UTC)
STARTED = NOW - timedelta(minutes=28)
ROUTES = """
channels:
  pagerduty-ml: {type: pagerduty, routing_key: "${KEY}"}
  slack-ml: {type: slack, token: "${KEY}", channel: C012ABCDEF}
  email-ml: {type: email, smarthost: "127.0.0.1:9", tls: none, from: a@x.org, to: [ml-oncall@example.org]}
route:
  notify: [slack-ml]
  routes:
    - {matchers: ['severity="critical"'], notify: [pagerduty-ml, email-ml]}
    - {matchers: ['severity="warning"'], notify: [email-ml]}
sources:
  - {name: prod, tokens: ["${KEY}"], url: "http://alertmanager:9093", alertmanager_ui: "https://alertmanager.example.org"}
external_url: https://bridge.example.org
dashboard_base_url: https://grafana.example.org
"""
CAPACITIES = [ChannelCapacity(name, 1000, None, 1, 60.0) for name in ("pagerduty-ml", "slack-ml", "email-ml")]
ERRORS = {
    "alertname": "MLErrorRateCritical", "severity": "critical", "job": "toxicity-api", "namespace": "ml", "team": "ml",
}  # fmt: skip
ANNOTATIONS = {
    "summary": "Toxicity API: 7.3 % of predictions fail",
    "description": "More than 5 % of the predictions have failed for 2 minutes.\nUsers see errors, not verdicts.",
    "runbook_url": "/MLErrorRateCritical",
    "dashboard_url": "/d/mlops-overview?var-namespace=ml&var-job=toxicity-api",
}
LONG = "ThisAlertHasAVeryLongNameBecauseSomebodyGeneratesThemFromTheNamesOfTheirServicesAndRegions"
ARABIC, HEBREW = "ارتفاع معدل الأخطاء في واجهة البرمجة", "שיעור שגיאות גבוה"
ERROR_CHART, FACTS_AT = 42, 100


def an_alert(
    labels: dict[str, str], annotations: dict[str, str] | None = None, minutes: float = 28, **more: object
) -> Alert:
    generator = (
        "http://prometheus:9090/graph?g0.expr=namespace_job%3Aml_prediction_errors%3Aratio_rate5m+%3E+0.05&g0.tab=1"
    )
    alert = Alert(
        "-".join(labels.values())[-60:], Status.FIRING, labels, annotations or {}, NOW - timedelta(minutes=minutes),
        generator_url=generator,
    )  # fmt: skip
    return replace(alert, **more)  # type: ignore[arg-type]


def groups() -> Iterator[Group]:
    def group(by: dict[str, str], *alerts: Alert) -> Group:
        return Group("prod", "bridge", str(by), by, alerts, external_url="http://alertmanager:9093")

    pods = ("api-1", "api-2", "api-3")
    named = {"alertname": "MLErrorRateCritical", "namespace": "ml", "job": "toxicity-api"}
    yield group(named, *(an_alert({**ERRORS, "pod": pod}, ANNOTATIONS) for pod in pods))
    yield group(
        {"page": "true"}, *(an_alert({**ERRORS, "alertname": f"Rule{n:03d}", "pod": f"pod-{n}"}) for n in range(260))
    )
    yield group(
        {"severity": "warning"},
        an_alert({"alertname": LONG, "severity": "warning", "service": LONG.lower()}, {"summary": LONG * 3}),
    )
    yield group(
        {"alertname": ARABIC},
        an_alert(
            {"alertname": ARABIC, "severity": "warning", "team": HEBREW, "namespace": "إنتاج"}, {"summary": ARABIC * 3}
        ),
    )
    info = {
        "alertname": "MLModelDeployed",
        "severity": "info",
        "job": "toxicity-api",
        "namespace": "ml",
        "version": "v2.4.0",
    }
    yield group({"alertname": "MLModelDeployed"}, an_alert(info, {"summary": "Version 2.4.0 is serving"}))
    for number in range(120):
        labels = {
            "alertname": f"Disk{number}Full",
            "severity": ("warning", "info", "none")[number % 3],
            "instance": f"db-{number}",
        }
        yield group({"alertname": labels["alertname"]}, an_alert(labels, {"summary": "90 % full"}, number))


def a_chart() -> LineChart:
    begin = STARTED - timedelta(minutes=28)
    points = tuple(
        (begin.timestamp() + 60 * n, 0.002 if n < 28 else 0.01 + 0.07 * min(1.0, (n - 28) / 6)) for n in range(57)
    )
    return LineChart(
        "MLErrorRateCritical", Unit.RATIO, Span(begin, NOW), 60, (Line("", points),), 0, Threshold(">", 0.05), STARTED,
        (Mark(STARTED - timedelta(minutes=6), "v2.4.0"),),
    )  # fmt: skip


def fill(database: str, settings: Settings) -> None:
    engine, policy = open_database(database), policy_of(settings)
    intake = StoreIntake(engine, lambda: policy, lambda: STARTED)
    every = list(groups())
    for group in every:
        intake.accept(group)
    intake.close()
    later = StoreIntake(engine, lambda: policy, lambda: NOW - timedelta(minutes=3))
    for group in every[60:70]:
        ended = replace(group.alerts[0], status=Status.RESOLVED, ends_at=NOW - timedelta(minutes=3))
        later.accept(replace(group, alerts=(ended,)))
    later.close()
    store, actions = StoreDeliveries(engine), StoreActions(engine, lambda: policy)
    store.settle(
        [(claim, outcome(claim)) for claim in store.claim(CAPACITIES, STARTED)], STARTED + timedelta(seconds=2)
    )
    actions.acknowledge(3, "Ana", NOW - timedelta(minutes=9))
    changes = StoreChanges(engine, lambda: NOW)
    for minutes, kind, version in ((34, "deploy", "v2.4.0"), (123, "retraining", ""), (900, "config", "")):
        at = NOW - timedelta(minutes=minutes)
        changes.record(
            ChangeEvent(
                kind,
                "toxicity-api",
                at,
                f"{kind} of toxicity-api",
                version,
                "v2.3.1" * bool(version),
                "ci",
                "https://ci.example.org/812",
                {"namespace": "ml"},
                "prod",
            )
        )
    StoreContexts(engine).keep({1: _measured(STARTED + timedelta(seconds=2))})
    pictures, chart = StoreCharts(engine, lambda: NOW), a_chart()
    pictures.keep(1, Picture("expression", chart.title, in_words(chart), draw(chart), NOW))
    engine.dispose()


def _measured(at: datetime) -> Context:
    """The sample's, at another time."""
    sample = sample_context()
    facts = tuple(replace(fact, at=at) for fact in sample.facts)
    return replace(sample, at=at, facts=facts, onset=Onset(STARTED - timedelta(minutes=4), "the failed predictions"))


def outcome(claim: Claim) -> Sent | GiveUp:
    if claim.target.channel == "slack-ml" and claim.incident_number % 4 == 0:
        return GiveUp(
            Reason.DESTINATION,
            "chat.postMessage: channel_not_found",
            '{"channel": "C012ABCDEF", ' + '"text": "x"}' * 400,
        )
    note = "accepted by the mail server: queued as 4FzT6k1" if claim.target.channel == "email-ml" else ""
    return Sent({"ts": "1"}, note)


@contextlib.contextmanager
def running_site(folder: Path, *, empty: bool = False) -> Iterator[str]:
    """Yields its URL."""
    database, settings = f"sqlite:///{folder}/site.db", load_text(ROUTES, {"KEY": "0123456789abcdef0123456789abcdef"})
    if not empty:
        fill(database, settings)
    engine = open_database(database)
    policy = policy_of(settings)
    intake = StoreIntake(engine, lambda: policy, lambda: NOW)
    stores = (StoreReader(engine), StoreChanges(engine, lambda: NOW), StoreCharts(engine, lambda: NOW))
    app = create_app(
        lambda: settings,
        intake,
        *stores,
        actions=StoreActions(engine, lambda: policy),
        metrics=Metrics(),
        clock=lambda: NOW,
        require_login=False,
    )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
        intake.close()
        engine.dispose()
