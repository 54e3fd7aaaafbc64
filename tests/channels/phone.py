"""Messages as a phone shows them: made, sent to a sandbox, and opened in a browser of its size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from playwright.sync_api import Browser, Page

from bridge.core.facts import Measurements
from bridge.core.ports import Channel, Message
from bridge.rendering.renderer import Renderer
from tests.channels.channel_builders import a_claim
from tests.channels.example_incident import the_context, the_incident, the_last_time, the_news

WIDTH, HEIGHT = 390, 700
UNFOLD = "document.querySelectorAll('#pagerduty details').forEach(each => each.open = true)"
#: A vendor's app has no frame of the sandbox's around it.
PLAIN = "main, .column, .phone { padding: 0 !important; border: 0 !important }"


def message_of(*, firing: bool, html: bool = False, context: Measurements | None = None) -> Message:
    claim = a_claim(sent=0 if firing else 1, firing=firing)
    renderer = Renderer(None, "https://bridge.example")
    news, measured = the_news(firing=firing), context or the_context(firing=firing)
    return renderer.message(the_incident(firing=firing), claim, news, measured, the_last_time(), html=html)


def send(channel: Callable[[], Channel], message: Message) -> None:
    """In a thread of its own: the browser's library keeps the main thread's loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(_send(channel(), message))).result()


async def _send(channel: Channel, message: Message) -> None:
    claim = a_claim()
    await channel.send(channel.compose(message, claim), message, claim)
    await channel.close()


@contextmanager
def opened(browser: Browser, *, url: str = "", html: str = "") -> Iterator[Page]:
    """url: the sandbox's page. html: a mail."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, bypass_csp=True)
    page.route("**/stream", lambda route: route.abort())
    if url:
        page.goto(url)
        page.add_style_tag(content=PLAIN)
        page.evaluate(UNFOLD)
    else:
        page.set_content(html)
    yield page
    page.close()
