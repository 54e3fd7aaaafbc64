"""What a phone shows without scrolling: the cause, what changed, the first step and the links of real messages.

Real channels send to the sandbox, which renders what PagerDuty and Slack got; a mail is rendered as it is. Fonts are
Chromium's own, somewhat wider than those of phones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page

from bridge.core.facts import Context, Fact, Unit, Verdict
from bridge.core.ports import Channel, Message
from dev.sandbox.running import RunningSandbox
from tests.channels.channel_builders import a_pagerduty, a_slack
from tests.channels.example_incident import LOOKED_AT, the_context, while_failing
from tests.channels.phone import HEIGHT, WIDTH, message_of, opened, send

LAST_TIME = "4th in 30 days; last"
BOTTOM = """(text) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const at = walker.currentNode.textContent.indexOf(text);
    if (at < 0) continue;
    const range = document.createRange();
    range.setStart(walker.currentNode, at);
    range.setEnd(walker.currentNode, at + text.length);
    if (range.getClientRects().length) return range.getBoundingClientRect().bottom + scrollY;
  }
  return null;
}"""


def a_bad_deploy() -> Context:
    context = the_context(firing=True)
    assert isinstance(context, Context)
    return context


def no_cause() -> Context:
    return replace(a_bad_deploy(), hypothesis=None, changes=(), looked_at=LOOKED_AT)


def no_pod_works() -> Context:
    at = a_bad_deploy().at
    dead = Fact("up", "Pods that answer", Unit.COUNT, 0, at, (), (), Verdict.BAD, "3 missing", "targets", of=3)
    return replace(no_cause(), facts=(*while_failing(at), dead))


FIRST_STEP = "First step"  #: in PagerDuty `first_step`
INCIDENTS: dict[str, tuple[Context, list[str]]] = {
    "a bad deploy": (
        a_bad_deploy(),
        ["Failed predictions", "4 min before it fired", "212 of 530", "v2 deployed", "by ci"],
    ),
    "no cause found": (no_cause(), ["Failed predictions", "No cause found", "Drift (PSI)", "No change known"]),
    "no pod works": (no_pod_works(), ["Pods that answer", "0 of 3", "No cause found"]),
}


def below(page: Page, texts: list[str], top: float) -> dict[str, float | None]:
    """Those that are not on the screen which begins at `top`, and where their lower ends are."""
    places = {text: page.evaluate(BOTTOM, text) for text in texts}
    return {text: place for text, place in places.items() if place is None or place - top > HEIGHT}


def top_of(page: Page, selector: str) -> float:
    box = page.locator(selector).first.bounding_box()
    assert box is not None
    return box["y"]


@pytest.mark.parametrize("name", INCIDENTS)
def test_a_mail_says_it_on_the_first_screen(phone: Browser, name: str) -> None:
    context, texts = INCIDENTS[name]
    with opened(phone, html=a_message(context, html=True).html) as page:
        assert below(page, [*texts, LAST_TIME, FIRST_STEP, "Runbook", "Incident"], 0) == {}


@pytest.mark.parametrize(
    ("kind", "selector", "link"),
    [("slack", "#slack .message", "Incident"), ("pagerduty", "#pagerduty .incident", "Runbook")],
)
@pytest.mark.parametrize("name", INCIDENTS)
def test_slack_and_pagerduty_say_it_on_the_first_screen(
    phone: Browser, vendors: RunningSandbox, kind: str, selector: str, link: str, name: str
) -> None:
    context, texts = INCIDENTS[name]
    channels: dict[str, Callable[[], Channel]] = {
        "slack": lambda: a_slack(vendors.slack_base_url, mention=None),
        "pagerduty": lambda: a_pagerduty(vendors.http_url),
    }
    send(channels[kind], a_message(context))
    with opened(phone, url=vendors.http_url) as page:
        page.locator(selector).first.wait_for()
        hide = "(kept) => document.querySelectorAll('main > section').forEach(s => s.querySelector(kept) || s.remove())"
        page.evaluate(hide, selector)
        assert (
            below(
                page, [*texts, LAST_TIME, FIRST_STEP if kind == "slack" else "first_step", link], top_of(page, selector)
            )
            == {}
        )


@pytest.mark.parametrize("width", [320, WIDTH])
@pytest.mark.parametrize("firing", [True, False])
def test_no_mail_is_wider_than_its_screen(phone: Browser, width: int, firing: bool) -> None:
    page = phone.new_page(viewport={"width": width, "height": HEIGHT})
    page.set_content(message_of(firing=firing, html=True).html)
    assert width >= page.evaluate("document.scrollingElement.scrollWidth")
    page.close()


def a_message(context: Context, *, html: bool = False) -> Message:
    return message_of(firing=True, html=html, context=context)
