"""A sample incident that uses every field, to test templates before they are needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bridge.core.facts import (
    ChangeEvent,
    Confidence,
    Context,
    Fact,
    Hypothesis,
    Onset,
    Part,
    Past,
    Unit,
    Unknown,
    Verdict,
)
from bridge.core.incidents.periods import Period
from bridge.core.model import Alert, Incident, Severity, State, Status, Target
from bridge.core.ports import Claim
from bridge.core.recurrence import WINDOW, Earlier, Recurrence
from bridge.core.timeline import Entry, EntryKind

_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def sample_alert(name: str, status: Status) -> Alert:
    ended = None if status is Status.FIRING else _AT + timedelta(minutes=5)
    labels = {"alertname": name, "severity": "critical", "cluster": "c1", "instance": "<i&1>"}
    annotations = {
        "summary": "API is slow",
        "description": "p99 over 2 s\nfor 5 min",
        "runbook_url": "https://run.example/a",
    }
    return Alert(name, status, labels, annotations, _AT, ended, severity=Severity.CRITICAL)


def sample_incident(*, resolved: bool) -> Incident:
    statuses = (Status.RESOLVED, Status.RESOLVED) if resolved else (Status.FIRING, Status.RESOLVED)
    alerts = {str(number): sample_alert("HighLatency", status) for number, status in enumerate(statuses)}
    return Incident(
        number=7, uid="sample", key="k", dedup_key="d", source="sample", receiver="r", group_key="{}",
        group_labels={"alertname": "HighLatency"}, title="HighLatency c1", severity=Severity.CRITICAL,
        state=State.RESOLVED if resolved else State.ACKNOWLEDGED, revision=3, opened_at=_AT,
        updated_at=_AT + timedelta(minutes=12), seen_at=_AT,
        resolved_at=_AT + timedelta(minutes=12) if resolved else None,
        acknowledged_by=None if resolved else "Ana",
        external_url="https://am.example", truncated=2, alerts=alerts,
        ended_at=_AT + timedelta(minutes=12) if resolved else None,
    )  # fmt: skip


def sample_claim(*, firing: bool) -> Claim:
    incident = sample_incident(resolved=not firing)
    return Claim(incident, Target("sample"), "lease", 3, 1, firing, 0, False, False, _AT, None)


def sample_news() -> list[Entry]:
    return [Entry(_AT, EntryKind.JOINED, "sample", "1 alert started firing", 3, loud=True)]


def sample_notes() -> tuple[Entry, ...]:
    return (Entry(_AT, EntryKind.NOTED, "Ana", "Rolled back to v1.\nWatching it.", 2),)


def sample_context() -> Context:
    """With each kind of fact, one change, one hypothesis, and something unknown."""
    errors = Fact(
        "errors", "Failing predictions", Unit.RATIO, 0.073, _AT + timedelta(minutes=12),
        (Past("usually", 0.021), Past("1 h ago", 0.02)), (), Verdict.BAD, "above 5 %",
    )  # fmt: skip
    pods = Fact(
        "pods", "Errors by pod", Unit.PER_SECOND, 12.0, _AT + timedelta(minutes=8), (),
        (Part("api-2", 11.3), Part("api-1", 0.7)),
    )  # fmt: skip
    peak = Fact("peak", "Peak of failing predictions", Unit.RATIO, 0.091, _AT, role="peak")
    change = ChangeEvent("deploy", "api", _AT - timedelta(minutes=6), "Deploy of v2", "v2", "v1", "ci")
    cause = "v2 was deployed 6 min before"
    return Context(
        _AT + timedelta(minutes=12), (errors, pods, peak), (Unknown("Drift score", "Prometheus did not answer"),),
        (change,), Hypothesis("change_at_onset", f"{cause}.", (cause,), Confidence.LIKELY, cause),
        onset=Onset(_AT - timedelta(minutes=4), "the failed predictions"), looked_at=("deploys", "pods"),
    )  # fmt: skip


def sample_recurrence() -> Recurrence:
    began, ended = _AT - timedelta(days=3), _AT - timedelta(days=3) + timedelta(minutes=23)
    rollback = ChangeEvent("rollback", "api", ended, "Rollback", "v1", "v2", "Ana")
    return Recurrence(4, WINDOW, (Earlier(3, "HighLatency c1", Period(began, ended), "", rollback),))
