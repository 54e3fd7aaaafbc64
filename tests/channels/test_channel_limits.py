"""Whatever an alert says, what is composed keeps the vendor's limits and contains no mention."""

from __future__ import annotations

import email
import json
from datetime import timedelta
from email.policy import SMTP

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.channels.pagerduty.events import MAX_BYTES
from bridge.core.facts import ChangeEvent, Context, Fact, Hypothesis, Part, Past, Unit, Unknown, Verdict
from bridge.core.model import State
from bridge.core.ports import Message
from bridge.rendering.text import clean, cut, utf16_units
from dev.sandbox import block_kit
from dev.sandbox.mentions import active_mentions
from dev.sandbox.pagerduty import event_faults
from tests.channels.channel_builders import AT, a_claim, a_message, a_pagerduty, a_slack, an_alert, an_email, an_entry
from tests.channels.nasty_texts import NASTY

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=80))


numbers = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(0, 1), st.just(1e300))
moments = st.integers(-10_000, 10_000).map(lambda seconds: AT + timedelta(seconds=seconds))
facts = st.builds(
    Fact, texts, texts, st.sampled_from(Unit), st.none() | numbers, moments,
    past=st.lists(st.builds(Past, texts, numbers), max_size=3).map(tuple),
    parts=st.lists(st.builds(Part, texts, numbers), max_size=8).map(tuple),
    verdict=st.sampled_from(Verdict), why=texts, role=st.sampled_from(["", "peak"]),
)  # fmt: skip
changes = st.builds(
    ChangeEvent, st.sampled_from(["deploy", "rollback", "retraining", "?"]), texts, moments, texts,
    version=texts, previous=texts, by=texts, link=st.sampled_from(["javascript:x", "https://ci.example/1?a=<|>"]),
)  # fmt: skip
contexts = st.builds(
    Context, moments, st.lists(facts, max_size=4).flatmap(lambda some: st.sampled_from([tuple(some), tuple(some) * 9])),
    unknown=st.lists(st.builds(Unknown, texts, texts), max_size=9).map(tuple),
    changes=st.lists(changes, max_size=5).map(tuple),
    hypothesis=st.none() | st.builds(Hypothesis, texts, texts, st.lists(texts, max_size=2).map(tuple)),
)  # fmt: skip


@st.composite
def messages(draw: st.DrawFn) -> Message:
    text = draw(texts)
    labels = {draw(texts): draw(texts) for _ in range(draw(st.integers(0, 3)))}
    line = an_alert(name=draw(texts), summary=draw(texts), description=draw(texts), labels=labels)
    return a_message(
        title=draw(texts), summary=draw(texts), source=draw(texts), component=text, group=text, alertname=text,
        severity=draw(st.sampled_from(["critical", "warning", "unknown", "info", "none"])), text=draw(texts),
        html=draw(texts), alerts=(line,) * draw(st.integers(0, 25)), state=draw(st.sampled_from(State)),
        acknowledged_by=draw(st.none() | texts), firing=draw(st.booleans()), news=(an_entry(5, draw(texts)),),
        context=draw(st.none() | contexts),
    )  # fmt: skip


@given(messages(), st.booleans())
@settings(max_examples=80)
def test_pagerduty_takes_every_event(message: Message, shrink: bool) -> None:
    claim = a_claim(shrink=shrink, handle={"state": "triggered"})
    for event in CHANNELS[0].compose(message, claim).content["events"]:
        assert event_faults(event) == []
        assert len(json.dumps(event).encode()) <= MAX_BYTES


@given(messages(), st.booleans())
@settings(max_examples=80)
def test_slack_takes_every_message_without_a_mention(message: Message, shrink: bool) -> None:
    content = (
        CHANNELS[1]
        .compose(message, a_claim(shrink=shrink, handle={"ts": "1", "severity": "critical"}, news=message.news))
        .content
    )
    blocks = [block for each in content["attachments"] for block in each["blocks"]]
    assert block_kit.blocks_faults(blocks) == []
    assert len(json.dumps(blocks)) < 10_000
    assert utf16_units(content["text"]) <= 4000
    for text in (content["text"], content["post_text"], (content["thread"] or {"text": ""})["text"]):
        assert active_mentions(text, blocks, content["attachments"], link_names=False) == []


@given(messages(), st.booleans())
@settings(max_examples=80)
def test_a_mail_has_our_headers_only_and_is_the_same_again(message: Message, shrink: bool) -> None:
    raw = CHANNELS[2].compose(message, a_claim(shrink=shrink)).content
    assert raw == an_email().compose(message, a_claim(shrink=shrink)).content
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    mail = email.message_from_bytes(raw, policy=SMTP)
    assert mail["Bcc"] is None
    assert mail["To"] == "oncall@example.org"
    assert str(mail["Subject"]).startswith("[#")
    assert not mail.defects


CHANNELS = (a_pagerduty(), a_slack(mention=None), an_email())


@pytest.mark.parametrize("text", NASTY)
def test_cut_keeps_its_limit_in_every_unit(text: str) -> None:
    for limit in (1, 7, 100):
        assert len(cut(clean(text), limit)) <= limit
        assert utf16_units(cut(clean(text), limit, utf16_units)) <= limit


def test_details_are_cut_until_the_event_fits() -> None:
    lines = tuple(an_alert(labels={str(n): "😀" * 1000 for n in range(10)}) for _ in range(25))
    (event,) = CHANNELS[0].compose(a_message(alerts=lines), a_claim()).content["events"]
    assert len(json.dumps(event)) <= MAX_BYTES
    assert event["payload"]["custom_details"]["alerts_not_shown"] > 0
