"""What is only worth knowing: no message says that it fires, or that it was resolved as if it had been a fault."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.channels.email.message import subject_of
from bridge.channels.pagerduty.events import events_of
from bridge.core.incidents.actions import acknowledge, resolve
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Group, Incident, Status
from bridge.core.ports import Message
from bridge.core.timeline import Entry
from bridge.rendering.plain import plain_summary
from bridge.rendering.renderer import Renderer
from tests.channels.channel_builders import AT, a_claim, a_slack

RULES = Path(__file__).parents[2] / "rules"
FAULT_WORDS = re.compile(r"\b(fire|fires|firing|resolved)\b", re.IGNORECASE)
LATER = AT + timedelta(minutes=12)


def info_rules() -> list[dict[str, Any]]:
    groups = [group for file in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(file.read_text())["groups"]]
    every = [rule for group in groups for rule in group["rules"]]
    return [rule for rule in every if rule.get("labels", {}).get("severity") == "info"]


def group_of(labels: dict[str, str], summary: str, status: Status = Status.FIRING, count: int = 1) -> Group:
    ended = None if status is Status.FIRING else LATER
    alerts = tuple(
        Alert(str(n), status, {**labels, "pod": f"p{n}"}, {"summary": summary}, AT, ended) for n in range(count)
    )
    return Group("prod", "bridge", "g", {"alertname": labels["alertname"]}, alerts)


def received(group: Group, known: Incident | None = None, minutes: float = 0) -> tuple[Incident, tuple[Entry, ...]]:
    change = receive(known, group, AT + timedelta(minutes=minutes), Rules(), "uid")
    assert change is not None
    return replace(change.incident, number=5), change.entries


def states(labels: dict[str, str], summary: str, count: int = 1) -> dict[str, tuple[Incident, tuple[Entry, ...], bool]]:
    """name -> the incident, its news, and whether it fires."""
    first, news = received(group_of(labels, summary, count=count))
    over, ended = received(group_of(labels, summary, Status.RESOLVED, count), first, 12)
    again = replace(
        group_of(labels, summary, count=count),
        alerts=tuple(
            replace(a, starts_at=LATER + timedelta(minutes=1)) for a in group_of(labels, summary, count=count).alerts
        ),
    )
    back, returned = received(again, over, 14)
    acknowledged, closed = acknowledge(first, "Ana", LATER), resolve(first, "Ana", LATER)
    return {
        "firing": (first, news, True),
        "acknowledged": (acknowledged.incident, acknowledged.entries, True),
        "ended": (over, ended, False),
        "closed": (closed.incident, (), False),
        "reopened": (back, returned, True),
    }


def message(incident: Incident, news: tuple[Entry, ...], *, firing: bool) -> Message:
    claim = a_claim(
        incident=incident, firing=firing, revision=incident.revision, sent=1 if incident.revision > 1 else 0
    )
    return Renderer(None, "https://bridge.example").message(incident, claim, news, html=True)


def written(shown: Message, firing: bool) -> str:
    """All that responders read of it, in mail, Slack and PagerDuty."""
    claim = a_claim(firing=firing, sent=shown.revision - 1, revision=shown.revision)
    slack = a_slack(mention=None).compose(shown, claim).content
    pages = [event.get("payload", {}).get("summary", "") for event in events_of(shown, claim)]
    html = re.sub(r"<style>.*?</style>|<[^>]*>", " ", shown.html, flags=re.DOTALL)
    return "\n".join(
        [subject_of(shown), shown.summary, shown.text, html, json.dumps(slack, ensure_ascii=False), *pages]
    )


@pytest.mark.parametrize("state", ["firing", "acknowledged", "ended", "closed", "reopened"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("rule", info_rules(), ids=lambda rule: rule["alert"])
def test_no_info_rule_reads_as_a_fault(rule: dict[str, Any], count: int, state: str) -> None:
    summary = re.sub(r"{{.*?}}", "7", rule["annotations"]["summary"])
    incident, news, firing = states({"alertname": rule["alert"], **rule["labels"]}, summary, count)[state]
    if state == "closed":  # its person's own words
        news = ()
    found = written(message(incident, news, firing=firing), firing)
    assert summary in found
    assert not FAULT_WORDS.search(found), FAULT_WORDS.findall(found)


SERVING = "Version 2.4.0 is serving"


@pytest.mark.parametrize(
    ("state", "count", "summary"),
    [
        ("firing", 1, SERVING),
        ("acknowledged", 1, f"Acknowledged by Ana: {SERVING}"),
        ("ended", 1, f"Notice ended after 12 min: {SERVING}"),
        ("closed", 1, f"Notice ended after 12 min: {SERVING}"),
        ("reopened", 1, SERVING),
        ("firing", 3, f"3 notices: {SERVING}"),
        ("acknowledged", 3, f"3 notices, acknowledged by Ana: {SERVING}"),
        ("ended", 3, f"Notices ended after 12 min: {SERVING}"),
    ],
)
def test_the_summary_says_what_happened(state: str, count: int, summary: str) -> None:
    labels = {"alertname": "MLModelDeployed", "severity": "info"}
    incident, news, firing = states(labels, SERVING, count)[state]
    shown = message(incident, news, firing=firing)
    assert shown.summary == summary
    view = {name: getattr(shown, name) for name in ("alerts", "alertname", "title", "firing", "firing_count")}
    view |= {name: getattr(shown, name) for name in ("resolved_count", "acknowledged_by", "flapping", "informational")}
    view |= {name: getattr(shown, name) for name in ("resolved_at", "updated_at", "opened_at", "lasted")}
    assert plain_summary({**view, "causes": (), "peak": ""}) == summary


@pytest.mark.parametrize("severities", [("info", "warning"), ("warning", "info"), ("none",), ("odd",), ("critical",)])
def test_what_was_a_fault_ends_as_one(severities: tuple[str, ...]) -> None:
    """Also when the warning among its alerts ended before the notice did."""
    firing, ended = (
        group_of({"alertname": "A"}, "API is slow", status, len(severities))
        for status in (Status.FIRING, Status.RESOLVED)
    )

    def with_severities(group: Group) -> Group:
        pairs = zip(group.alerts, severities, strict=True)
        return replace(group, alerts=tuple(replace(a, labels={**a.labels, "severity": s}) for a, s in pairs))

    first, news = received(with_severities(firing))
    assert message(first, news, firing=True).summary.startswith(("Firing", f"{len(severities)} alerts firing"))
    less, _ = (
        received(replace(with_severities(ended), alerts=with_severities(ended).alerts[1:]), first, 5)
        if len(severities) > 1
        else (first, ())
    )
    over, _ = received(with_severities(ended), less, 12)
    assert message(over, (), firing=False).summary.startswith("Resolved after 12 min")
