"""A bad deploy, as an incident and its context: what the pictures in docs/messages.md show."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bridge.core.facts import (
    AfterEnd,
    ChangeEvent,
    Confidence,
    Context,
    Fact,
    Hypothesis,
    Measurements,
    Onset,
    Part,
    Past,
    Unit,
    Unknown,
    Verdict,
)
from bridge.core.incidents.periods import Period
from bridge.core.model import Alert, Incident, Severity, State, Status
from bridge.core.recurrence import WINDOW, Earlier, Recurrence
from bridge.core.timeline import Entry, EntryKind

STARTED = datetime(2026, 11, 23, 3, 12, 5, tzinfo=UTC)
BEGAN = STARTED - timedelta(minutes=4)
ENDED = STARTED + timedelta(minutes=26)
BAD, GOOD, NEUTRAL = Verdict.BAD, Verdict.GOOD, Verdict.NEUTRAL
DEPLOYED = ChangeEvent(
    "deploy", "toxicity-api", STARTED - timedelta(minutes=6), "Deploy", "v2", "v1", "ci", "https://ci.example/812"
)
RETRAINED = ChangeEvent(
    "retraining", "toxicity-api", STARTED - timedelta(minutes=95), "Retraining of toxicity-bert finished", by="airflow"
)
ROLLED_BACK = ChangeEvent("rollback", "toxicity-api", ENDED - timedelta(minutes=7), "Rollback", "v1", "v2", "Ana")
LOOKED_AT = ("deploys", "versions", "pods", "traffic", "error types")
CAUSE = Hypothesis(
    "version_fails",
    "v2, deployed 2 min before it began, fails: 212 of 530 predictions in 5 min, against 4 of 1,060 by v1 beside it.",
    ("212 of 530 fail with v2", "4 of 1,060 fail with v1", "v2 was deployed 2 min before the errors began"),
    Confidence.LIKELY,
    "only v2, deployed 2 min before it began",
)


def the_incident(*, firing: bool) -> Incident:
    labels = {
        "alertname": "MLErrorRateCritical", "severity": "critical", "job": "toxicity-api", "namespace": "ml",
        "model": "toxicity-bert",
    }  # fmt: skip
    annotations = {
        "summary": "13.2% of predictions in ml fail (limit 5%)",
        "description": "More than 5 % of the predictions have failed for 2 minutes.\nUsers see errors, not verdicts.",
        "runbook_url": "/MLErrorRateCritical",
        "dashboard_url": "https://grafana.example/d/ml-serving?var-job=toxicity-api",
    }
    status, ended = (Status.FIRING, None) if firing else (Status.RESOLVED, ENDED)
    alert = Alert("1", status, labels, annotations, STARTED, ended, severity=Severity.CRITICAL)
    return Incident(
        number=412, uid="example", key="k", dedup_key="0123456789abcdef" * 4, source="prod", receiver="bridge",
        group_key="{}", group_labels={"alertname": alert.name, "job": "toxicity-api"},
        title="MLErrorRateCritical toxicity-api", severity=Severity.CRITICAL,
        state=State.OPEN if firing else State.RESOLVED, revision=1 if firing else 3, opened_at=STARTED,
        updated_at=ended or STARTED, seen_at=STARTED, resolved_at=ended, acknowledged_by=None if firing else "Ana",
        external_url="https://alertmanager.example", alerts={"1": alert},
    )  # fmt: skip


def the_news(*, firing: bool) -> list[Entry]:
    return [] if firing else [Entry(ENDED, EntryKind.RESOLVED, "prod", "all alerts are resolved", 3, loud=True)]


def the_last_time() -> Recurrence:
    began = STARTED - timedelta(days=9)
    rollback = ChangeEvent("rollback", "toxicity-api", began, "Rollback", "1.0.0", "1.1.0", "Ana")
    period = Period(began, began + timedelta(minutes=23))
    return Recurrence(4, WINDOW, (Earlier(388, "MLErrorRateCritical toxicity-api", period, "", rollback),))


def the_context(*, firing: bool) -> Measurements:
    fired = _context(STARTED + timedelta(minutes=2), (DEPLOYED, RETRAINED))
    if firing:
        return fired
    over = ENDED + timedelta(minutes=2)
    worst = tuple(fact for fact in while_failing(fired.at) if fact.name == "failing")
    peaks = tuple(replace(fact, value=0.151, at=fired.at + timedelta(minutes=3)) for fact in worst)
    newest = Context(over, after_the_rollback(over), (), (ROLLED_BACK, DEPLOYED, RETRAINED), changes_known=True)
    return AfterEnd(newest, fired, peaks)


def _context(at: datetime, changes: tuple[ChangeEvent, ...]) -> Context:
    why = "Prometheus does not answer within 1.5 s"
    unknown = (Unknown("Drift (PSI)", why), Unknown("Other firing alerts", why))
    return Context(
        at, while_failing(at), unknown, changes, CAUSE,
        onset=Onset(BEGAN, "the failed predictions"), looked_at=LOOKED_AT, changes_known=True,
    )  # fmt: skip


def while_failing(at: datetime) -> tuple[Fact, ...]:
    failing = (Past("usually", 0.0021), Past("1 h ago", 0.002))
    by_version, pods = (Part("v2", 212, 530), Part("v1", 4, 1060)), (Part("v1", 2), Part("v2", 1))
    by_pod = (Part("toxicity-api-2", 212, 530), Part("toxicity-api-0", 3, 528), Part("toxicity-api-1", 1, 532))
    by_type = (Part("prediction_failed", 211), Part("timeout", 5))
    latency = (Past("1 h ago", 0.240), Past("1 d ago", 0.233))
    memory = (Part("toxicity-api-2", 1.62e9), Part("toxicity-api-1", 1.55e9), Part("toxicity-api-0", 1.54e9))
    return (
        Fact("failing", "Failed predictions", Unit.RATIO, 0.136, at, failing, (), BAD, "above 5 %"),
        Fact("on", "Pods with failing predictions", Unit.COUNT, 1, at, role="pods_failing", of=3),
        Fact("by_version", "Failed by version", Unit.COUNT, 216, at, (), by_version, role="symptom_by_version"),
        Fact("by_pod", "Failed by pod", Unit.COUNT, 216, at, (), by_pod, role="symptom_by_pod"),
        Fact("by_type", "Errors by type", Unit.COUNT, 216, at, (), by_type, role="error_types"),
        Fact("pods", "Pods by version", Unit.COUNT, 3, at, (), pods, role="pods_by_version"),
        Fact("p95", "P95 latency", Unit.SECONDS, 0.412, at, latency, (), NEUTRAL),
        Fact("toxic", "Toxic rate", Unit.RATIO, 0.114, at, (Past("usually", 0.108),), (), GOOD),
        Fact("sure", "Mean confidence", Unit.RATIO, 0.812, at, (Past("usually", 0.931),), (), BAD, "below 85 %"),
        Fact("requests", "Requests", Unit.PER_SECOND, 39.7, at, (Past("usually", 41.2),)),
        Fact("memory", "Memory by pod", Unit.BYTES, None, at - timedelta(minutes=9), (), memory),
        Fact("budget", "Error budget left", Unit.RATIO, 0.61, at, (Past("1 d ago", 0.84),)),
    )


def after_the_rollback(at: datetime) -> tuple[Fact, ...]:
    failing = (Past("usually", 0.0021), Past("1 h ago", 0.0022))
    return (
        Fact("failing", "Failed predictions", Unit.RATIO, 0.002, at, failing, (), GOOD),
        Fact("pods", "Pods by version", Unit.COUNT, 3, at, (), (Part("v1", 3),)),
        Fact("p95", "P95 latency", Unit.SECONDS, 0.236, at, (Past("1 h ago", 0.240), Past("1 d ago", 0.233))),
        Fact("sure", "Mean confidence", Unit.RATIO, 0.929, at, (Past("usually", 0.931),), (), GOOD),
        Fact("budget", "Error budget left", Unit.RATIO, 0.58, at, (Past("1 d ago", 0.84),)),
        Fact("worst", "Most failed predictions", Unit.RATIO, 0.151, at, role="peak"),
    )
