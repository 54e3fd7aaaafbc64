"""The line about the last time: the same in every channel, and none when nothing happened before."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.channels.email.message import mail_bytes
from bridge.channels.pagerduty.events import events_of
from bridge.channels.slack.blocks import blocks_of
from bridge.channels.webhook.payload import payload_of
from bridge.core.facts import ChangeEvent
from bridge.core.incidents.periods import Period
from bridge.core.model import Target
from bridge.core.ports import Message
from bridge.core.recurrence import WINDOW, Earlier, Recurrence
from bridge.rendering.links import Addresses
from bridge.rendering.plain import plain_body
from bridge.rendering.recurrence import last_time
from bridge.rendering.renderer import Renderer, template_view
from bridge.rendering.sample import sample_claim, sample_incident, sample_recurrence
from bridge.rendering.view import fields_of
from tests.builders import at

PERIOD = Period(at(0), at(23 * 60))
LINE = "4th in 30 days; last #3, 23 min, ended after rollback to v1 (Ana)"


def change(kind: str, version: str = "", summary: str = "", by: str = "") -> ChangeEvent:
    return ChangeEvent(kind, "api", at(60), summary, version, by=by)


def last(found: ChangeEvent | None = None, by: str = "", period: Period = PERIOD) -> Earlier:
    return Earlier(388, "HighErrors (api)", period, by, found)


@pytest.mark.parametrize(
    ("earlier", "text"),
    [
        (last(), "23 min"),
        (last(change("rollback", "1.0.0", by="Ana")), "23 min, ended after rollback to 1.0.0 (Ana)"),
        (last(change("rollback")), "23 min, ended after a rollback"),
        (last(change("deploy", "2.1")), "23 min, ended after deploy of 2.1"),
        (last(change("deploy")), "23 min, ended after a deploy"),
        (last(change("config", summary="the configuration of api was changed")), "23 min, ended after config change"),
        (last(change("config", summary="batch size 8")), "23 min, ended after config change: batch size 8"),
        (last(change("restart", summary="restart of api")), "23 min, ended after restart"),
        (last(by="ben"), "23 min, resolved by ben"),
        (last(change("deploy", "2.1", by="ci"), "ben"), "23 min, resolved by ben after deploy of 2.1 (ci)"),
        (last(period=replace(PERIOD, exact=False)), "at least 23 min"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_it_says_of_the_last_one(earlier: Earlier, text: str) -> None:
    assert last_time(Recurrence(2, WINDOW, (earlier,))).removeprefix("2nd in 30 days; last #388, ") == text


@pytest.mark.parametrize(
    ("recurrence", "text"),
    [
        (Recurrence(3, WINDOW, (last(),)), "3rd in 30 days"),
        (Recurrence(11, WINDOW, (last(),)), "11th in 30 days"),
        (Recurrence(112, WINDOW, (last(),)), "112th in 30 days"),
        (Recurrence(22, WINDOW, (last(),)), "22nd in 30 days"),
        (Recurrence(501, WINDOW, (last(),), at_least=True), "more than 500 in 30 days"),
        (Recurrence(4, timedelta(days=14), (last(),)), "4th in 14 days"),
        (Recurrence(4, timedelta(hours=36), (last(),)), "4th in 1 d 12 h"),
        (Recurrence(4, WINDOW, (last(),), "Slow (ml/api)"), "Slow (ml/api): 4th in 30 days"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_how_often(recurrence: Recurrence, text: str) -> None:
    assert last_time(recurrence) == f"{text}; last #388, 23 min"


def test_without_an_earlier_one_there_is_no_line() -> None:
    assert last_time(None) == last_time(Recurrence(4, WINDOW, ())) == ""


def test_texts_from_outside_are_cut_and_kept_on_one_line() -> None:
    hostile = change("x\nx", summary="a\u202eb\n" + "c" * 900, by="d\x00" + "e" * 900)
    text = last_time(Recurrence(2, WINDOW, (last(hostile, "f\r\ng" * 90),), "h\n" * 900))
    assert text.isprintable()
    assert len(text) < 500


@pytest.fixture(params=[True, False], ids=["firing", "resolved"])
def firing(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def message(recurrence: Recurrence | None, *, firing: bool) -> Message:
    incident, claim = sample_incident(resolved=not firing), sample_claim(firing=firing)
    return Renderer(None, None).message(incident, claim, (), None, recurrence, html=True)


def shown(recurrence: Recurrence | None, firing: bool) -> dict[str, str]:
    found, claim = message(recurrence, firing=firing), replace(sample_claim(firing=firing), target=Target("x"))
    mail = mail_bytes(found, "a@x.org", "b@x.org", "x.org", shrink=False).decode().replace("=\r\n", "")
    text, html = mail.split("text/html")
    return {
        "slack": json.dumps(blocks_of(found), ensure_ascii=False),
        "mail": text,
        "html": html,
        "webhook": payload_of(found, claim, "x")["incident"]["last_time"],
        **(
            {"pagerduty": events_of(found, claim)[0]["payload"]["custom_details"].get("last_time", "")}
            if firing
            else {}
        ),
    }


def test_every_channel_says_it_once(firing: bool) -> None:
    said = shown(sample_recurrence(), firing)
    assert dict.fromkeys(said, 1) == {name: text.count(LINE) for name, text in said.items()}


def test_no_channel_says_anything_the_first_time(firing: bool) -> None:
    assert [name for name, text in shown(None, firing).items() if "30 days" in text or "last_time" in text] == []


def test_what_needs_no_template_says_it_too() -> None:
    incident, claim = sample_incident(resolved=False), sample_claim(firing=True)
    fields = {**fields_of(incident, claim, (), Addresses()), "context": None, "last_time": LINE}
    assert f"Last time: {LINE}" in plain_body({**template_view(fields), "summary": "x"}).splitlines()


def test_a_message_is_rendered_anew_when_it_is_known_later() -> None:
    renderer, incident, claim = Renderer(None, None), sample_incident(resolved=False), sample_claim(firing=True)
    found = [
        renderer.message(incident, claim, (), None, each, html=False) for each in (None, sample_recurrence(), None)
    ]
    assert [each.last_time for each in found] == ["", LINE, ""]
