"""A kept payload has everything that a responder needs, and no secret, wherever it came from."""

from __future__ import annotations

import json

import pytest

from bridge.app.settings import load_text
from bridge.app.wiring import worker_setup
from bridge.core.errors import Reason, SendError
from bridge.core.ports import GiveUp
from bridge.observability.logs import HIDDEN, Redactor
from bridge.rendering.sample import sample_claim, sample_incident, sample_news
from bridge.worker.refusing import kept
from tests.builders import a_group, an_alert
from tests.worker.machine import Machine, ScriptedChannel, until_sent

KEY, TOKEN = "r0uting-key-of-pagerduty", "xoxb-token-of-slack"
CONFIG = """
channels:
  pagerduty-ml: {type: pagerduty, routing_key: "${KEY}"}
  slack-ml: {type: slack, token: "${TOKEN}", channel: C012ABCDEF}
route: {notify: [pagerduty-ml, slack-ml]}
"""


@pytest.mark.parametrize("name", ["pagerduty-ml", "slack-ml"])
def test_a_kept_payload_contains_no_key_and_no_token(name: str) -> None:
    """Neither a secret of the channel nor one from an alert."""
    setup = worker_setup(load_text(CONFIG, {"KEY": KEY, "TOKEN": TOKEN}))
    channel, incident = setup.channels[name], sample_incident(resolved=False)
    for alert in incident.alerts.values():
        alert.annotations["summary"] = f"curl -d {KEY} {TOKEN} failed"  # type: ignore[index]
    claim = sample_claim(firing=True)
    composed = channel.compose(setup.renderer.message(incident, claim, sample_news(), html=False), claim)
    assert KEY in str(composed.content)
    letter = kept(GiveUp(Reason.PAYLOAD, f"HTTP 400: key {KEY}"), composed.content, setup.redact)
    assert KEY not in letter.refused and TOKEN not in letter.refused
    assert f"curl -d {HIDDEN} {HIDDEN} failed" in letter.refused
    assert letter.detail == f"HTTP 400: key {HIDDEN}"
    assert json.loads(letter.refused)


def test_a_mail_is_kept_as_text_and_an_uncomposed_message_is_empty() -> None:
    redact = Redactor(frozenset({"secret"})).text
    dead = GiveUp(Reason.DESTINATION, "550")
    assert kept(dead, "Subject: \u00e9 secret".encode(), redact).refused == f"Subject: \u00e9 {HIDDEN}"
    assert kept(dead, "", redact).refused == ""


def test_the_worker_keeps_the_payload_with_the_dead_letter(machine: Machine) -> None:
    machine.accept(a_group(an_alert()))
    channel = ScriptedChannel(SendError(Reason.DESTINATION, "550 no such person"), freezes=True)
    machine.run(channel, until_sent(channel, 1))
    (delivery,) = machine.reader.deliveries(1)
    assert (delivery.status, delivery.refused) == ("dead", "mail 1")
