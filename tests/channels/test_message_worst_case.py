"""200 alerts with hostile labels, and a context as hostile: still readable, and within every vendor's limits."""

from __future__ import annotations

import email
import json
from dataclasses import replace
from datetime import timedelta
from email.policy import SMTP

import pytest

from bridge.channels.pagerduty.events import MAX_BYTES
from bridge.core.facts import ChangeEvent, Context, Fact, Hypothesis, Part, Past, Unit, Unknown, Verdict
from bridge.core.model import Alert, Incident, Severity, Status
from bridge.core.ports import Message
from bridge.rendering.renderer import MAX_HTML_BYTES, Renderer
from bridge.rendering.sample import sample_claim, sample_incident
from dev.sandbox import block_kit
from dev.sandbox.mentions import active_mentions
from dev.sandbox.pagerduty import event_faults
from tests.channels.channel_builders import AT, a_claim, a_pagerduty, a_slack, an_email
from tests.channels.nasty_texts import NASTY

EVERYTHING = " ".join(NASTY)


def text(number: int) -> str:
    return NASTY[number % len(NASTY)]


def an_alert(number: int) -> Alert:
    labels = {"alertname": text(number), "severity": "critical", "pod": text(number + 3), text(number + 5): EVERYTHING}
    annotations = {"summary": text(number + 1), "description": EVERYTHING, "dashboard_url": "javascript:alert(1)"}
    return Alert(
        f"{number:03}", Status.FIRING, labels, annotations, AT - timedelta(seconds=number), severity=Severity.CRITICAL
    )


def the_incident() -> Incident:
    alerts = {str(number): an_alert(number) for number in range(200)}
    base = replace(sample_incident(resolved=False), acknowledged_by=EVERYTHING, source=EVERYTHING)
    return replace(base, title=EVERYTHING, group_labels={"alertname": EVERYTHING}, alerts=alerts, truncated=7)


def the_context() -> Context:
    past, parts = (Past(EVERYTHING, 1e300),) * 4, tuple(Part(each, 0.1) for each in NASTY)
    facts = tuple(Fact(text(n), text(n), Unit.RATIO, 0.5, AT, past, parts, Verdict.BAD, EVERYTHING) for n in range(40))
    change = ChangeEvent(
        EVERYTHING, EVERYTHING, AT, EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING, "javascript:alert(1)"
    )
    unknown = tuple(Unknown(EVERYTHING, each) for each in NASTY)
    return Context(AT, facts, unknown, (change,) * 9, Hypothesis(EVERYTHING, EVERYTHING, (EVERYTHING,)))


@pytest.fixture(scope="module", params=[True, False], ids=["with a context", "without"])
def message(request: pytest.FixtureRequest) -> Message:
    context = the_context() if request.param else None
    renderer = Renderer(None, "https://bridge.example")
    return renderer.message(the_incident(), sample_claim(firing=True), (), context, html=True)


def test_pagerduty_takes_it(message: Message) -> None:
    events = a_pagerduty().compose(message, a_claim()).content["events"]
    assert [fault for event in events for fault in event_faults(event)] == []
    trigger = events[0]["payload"]
    assert len(json.dumps(events[0])) <= MAX_BYTES
    assert trigger["summary"].startswith("200 alerts firing, acknowledged by")
    assert trigger["custom_details"]["firing"]


def test_slack_takes_it_without_a_mention(message: Message) -> None:
    content = a_slack(mention=None).compose(message, a_claim()).content
    (attachment,) = content["attachments"]
    assert block_kit.blocks_faults(attachment["blocks"]) == []
    assert len(json.dumps(attachment["blocks"])) <= 9_500
    assert active_mentions(content["post_text"], attachment["blocks"], content["attachments"], link_names=False) == []
    kinds = [block["type"] for block in attachment["blocks"]]
    assert kinds[:3] == ["header", "section", "section"]
    assert "200 of 200 alerts firing" in attachment["blocks"][1]["text"]["text"]
    assert "not shown here" in attachment["blocks"][-1]["elements"][0]["text"]


def test_slack_still_shows_a_fact_and_an_alert(message: Message) -> None:
    (attachment,) = a_slack().compose(message, a_claim()).content["attachments"]
    fields = [field for block in attachment["blocks"] for field in block.get("fields", [])]
    alerts = [block for block in attachment["blocks"] if block.get("text", {}).get("text", "").startswith("🔴 firing")]
    assert alerts
    assert bool(fields) == (message.context is not None)


def test_a_mail_is_not_clipped_and_has_nothing_active(message: Message) -> None:
    assert 0 < len(message.html.encode()) <= MAX_HTML_BYTES
    assert "200 alerts firing" in message.html
    assert not [bad for bad in ("<script", "javascript:alert", "\u202e", "\r") if bad in message.html]
    raw = an_email().compose(message, a_claim()).content
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    mail = email.message_from_bytes(raw, policy=SMTP)
    assert mail["Bcc"] is None
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
