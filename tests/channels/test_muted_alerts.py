"""Why the source mutes an alert is said wherever the alert is shown, and is as untrusted as any other text."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bridge.core.model import Alert, Incident, State, Status
from bridge.core.ports import Message
from bridge.rendering.renderer import Renderer
from bridge.rendering.sample import sample_alert, sample_claim, sample_incident, sample_news
from tests.channels.channel_builders import a_claim, a_pagerduty, a_slack

SILENCED = "silenced by alice <@U1> until 2026-11-23 14:00 UTC"


def message_with(muted: str) -> Message:
    alert: Alert = replace(sample_alert("Slow", Status.FIRING), muted=muted)
    incident: Incident = replace(sample_incident(resolved=False), alerts={alert.fingerprint: alert}, state=State.OPEN)
    renderer = Renderer(None, "https://bridge.example")
    return renderer.message(incident, sample_claim(firing=True), sample_news(), html=True)


def test_mails_say_it() -> None:
    message = message_with(SILENCED)
    assert f"[firing, {SILENCED}] Slow" in message.text
    assert "firing, silenced by alice &lt;@U1&gt; until 2026-11-23 14:00 UTC ·" in message.html
    assert "[firing] Slow" in message_with("").text


@pytest.mark.parametrize(
    ("muted", "shown"), [(SILENCED, "(silenced by alice &lt;@U1&gt; until"), ("", "firing *Slow*")]
)
def test_slack_says_it_without_a_mention(muted: str, shown: str) -> None:
    composed = a_slack().compose(message_with(muted), a_claim())
    text = json.dumps(composed.content, ensure_ascii=False)
    assert shown in text
    assert "<@U1>" not in text


@pytest.mark.parametrize("muted", [SILENCED, ""])
def test_pagerduty_says_it_in_the_details(muted: str) -> None:
    (event,) = a_pagerduty().compose(message_with(muted), a_claim()).content["events"]
    (alert,) = event["payload"]["custom_details"]["firing"]
    assert alert.get("muted", "") == muted
