"""Messages, claims and channels with sound defaults; a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.channels.email.channel import EmailChannel
from bridge.channels.email.settings import EmailSettings
from bridge.channels.pagerduty.channel import PagerDutyChannel
from bridge.channels.pagerduty.settings import PagerDutySettings
from bridge.channels.slack.channel import SlackChannel
from bridge.channels.slack.settings import SlackSettings
from bridge.channels.webhook.channel import WebhookChannel
from bridge.channels.webhook.settings import WebhookSettings
from bridge.core.model import State, Target
from bridge.core.ports import AlertLine, Channel, Claim, Link, Message
from bridge.core.timeline import Entry, EntryKind
from bridge.rendering.sample import sample_incident
from dev.sandbox.running import RunningSandbox

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "xoxb-123456789012-abcdefabcdef"
PASSWORD = "correct-horse-battery"
SIGNING = "5162a0d3b3b94a4ec2d1d3f6a5e8c7b9"
BEARER = "b3arer-0123456789"
SECRETS = (KEY, TOKEN, PASSWORD, SIGNING, BEARER)


def an_alert(**changes: Any) -> AlertLine:
    fields: dict[str, Any] = {
        "name": "HighLatency", "status": "firing", "severity": "critical", "summary": "API is slow",
        "description": "p99 over 2 s", "labels": {"instance": "api-1"}, "starts_at": AT, "ends_at": None,
    }  # fmt: skip
    return AlertLine(**{**fields, **changes})


def an_entry(revision: int, text: str = "1 alert started firing", *, loud: bool = True) -> Entry:
    return Entry(AT + timedelta(seconds=revision), EntryKind.JOINED, "am", text, revision, loud)


def a_message(**changes: Any) -> Message:
    fields: dict[str, Any] = {
        "number": 7, "uid": "u7", "dedup_key": "d" * 64, "title": "HighLatency c1",
        "summary": "Firing: API is slow",
        "state": State.OPEN, "severity": "critical", "firing": True, "revision": 1,
        "source": "am", "component": "api",
        "group": "c1", "alertname": "HighLatency", "opened_at": AT, "updated_at": AT, "resolved_at": None,
        "acknowledged_by": None, "firing_count": 1, "resolved_count": 0, "truncated": 0, "alerts": (an_alert(),),
        "hidden": 0, "links": (Link("Runbook", "https://run.example/a?x=1&y=2"),),
        "incident_url": "https://bridge.example/incidents/7", "news": (), "text": "API is slow\n.\ndetails",
        "html": "<p>API is slow</p>",
    }  # fmt: skip
    return Message(**{**fields, **changes})


def a_claim(**changes: Any) -> Claim:
    fields: dict[str, Any] = {
        "incident": sample_incident(resolved=False),
        "target": Target("c", "oncall@example.org"), "lease": "l", "revision": 1, "sent": 0,
        "firing": True, "attempts": 0, "unknown": False, "shrink": False, "wanted_at": AT, "attempted_at": None,
    }  # fmt: skip
    return Claim(**{**fields, **changes})


def pagerduty_settings(url: str, seconds: float = 5, **changes: Any) -> PagerDutySettings:
    fields: dict[str, Any] = {"routing_key": KEY, "rate": "unlimited", "concurrency": 2, **changes}
    return PagerDutySettings(type="pagerduty", base_url=url, timeout=timedelta(seconds=seconds), **fields)


def a_pagerduty(url: str = "http://127.0.0.1:9", seconds: float = 5) -> PagerDutyChannel:
    return PagerDutyChannel("c", pagerduty_settings(url, seconds))


def a_slack(url: str = "http://127.0.0.1:9/api/", seconds: float = 5, **changes: Any) -> SlackChannel:
    fields: dict[str, Any] = {"token": TOKEN, "channel": "#alerts", "mention": "<!here>", "concurrency": 2, **changes}
    return SlackChannel("c", SlackSettings(type="slack", base_url=url, timeout=timedelta(seconds=seconds), **fields))


def an_email(address: str = "127.0.0.1:9", seconds: float = 5, **changes: Any) -> EmailChannel:
    fields: dict[str, Any] = {
        "type": "email", "smarthost": address, "tls": "none", "from": "Bridge <bridge@example.org>",
        "to": ("oncall@example.org",), "hello": "test", "domain": "bridge.example", "rate": "unlimited",
        "concurrency": 2, "timeout": timedelta(seconds=seconds),
    }  # fmt: skip
    given = {"from" if name == "from_" else name: value for name, value in changes.items()}
    return EmailChannel("c", EmailSettings(**{**fields, **given}))


def a_webhook(url: str = "http://127.0.0.1:9", seconds: float = 5, **changes: Any) -> WebhookChannel:
    fields: dict[str, Any] = {"type": "webhook", "secret": SIGNING, "token": BEARER, "concurrency": 2, **changes}
    return WebhookChannel("c", WebhookSettings(url=url, timeout=timedelta(seconds=seconds), **fields))


def a_channel(kind: str, sandbox: RunningSandbox, seconds: float = 5) -> Channel:
    if kind == "pagerduty":
        return a_pagerduty(sandbox.http_url, seconds)
    if kind == "slack":
        return a_slack(sandbox.slack_base_url, seconds)
    if kind == "webhook":
        return a_webhook(sandbox.webhook_url, seconds)
    return an_email(sandbox.smtp_address, seconds)
