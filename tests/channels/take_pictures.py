"""Takes the pictures of docs/messages.md anew: `python tests/channels/take_pictures.py docs/images`.

Real channels send into a sandbox, and a headless Chromium as wide as a phone looks at it. It needs a font with emoji.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import Browser

from bridge.core.facts import Measurements
from bridge.core.ports import Channel, Message
from bridge.rendering.renderer import Renderer
from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.channels.channel_builders import a_claim, a_pagerduty, a_slack
from tests.channels.example_incident import STARTED, the_context, the_incident, the_last_time, the_news
from tests.channels.npm_tools import chromium

PHONE: Any = {"width": 390, "height": 700}
LAST_TIME = "4th in 30 days; last #388, 23 min, ended after rollback to 1.0.0 (Ana)"
CLOCK = f"document.querySelectorAll('time').forEach(each => each.textContent = '{STARTED:%H:%M:%S}')"
UNFOLD = "document.querySelectorAll('#pagerduty details').forEach(each => each.open = true)"
#: A vendor's app has no frame of the sandbox's around it, and a narrower font.
PLAIN = """
main, .column, .phone { padding: 0 !important; border: 0 !important }
body { font-family: Arial, sans-serif !important }"""


def message_of(*, firing: bool, html: bool = False, context: Measurements | None = None) -> Message:
    claim = a_claim(sent=0 if firing else 1, firing=firing)
    made = Renderer(None, "https://bridge.example")
    news, measured = the_news(firing=firing), context or the_context(firing=firing)
    return made.message(the_incident(firing=firing), claim, news, measured, the_last_time(), html=html)


async def _send(channel: Channel, messages: Sequence[Message]) -> None:
    handle: dict[str, Any] = {}
    for sent, message in enumerate(messages):
        claim = a_claim(sent=sent, firing=message.firing, handle=handle)
        handle = dict((await channel.send(channel.compose(message, claim), message, claim)).handle)
    await channel.close()


def send(channel: Callable[[], Channel], *messages: Message) -> None:
    """As one delivery, in a thread of its own: the browser's library keeps the main thread's loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(_send(channel(), messages))).result()


def picture_of_sandbox(browser: Browser, sandbox: RunningSandbox, part: str, file: Path, size: Any = PHONE) -> None:
    page = browser.new_page(viewport=size, bypass_csp=True)
    page.route("**/stream", lambda route: route.abort())  # the page would draw itself anew, with today's times
    page.goto(sandbox.http_url)
    page.add_style_tag(content=PLAIN)
    page.evaluate(CLOCK)
    page.evaluate(UNFOLD)
    page.locator(part).first.screenshot(path=file)
    page.close()


def picture_of_mail(browser: Browser, html: str, scheme: Any, file: Path, size: Any = PHONE) -> None:
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.set_content(html)
    page.screenshot(path=file, full_page=True)
    page.close()


def take(folder: Path, browser: Browser) -> None:
    for name, states in (("firing", [True]), ("resolved", [True, False])):
        with running_sandbox() as sandbox:
            url, messages = sandbox.slack_base_url, [message_of(firing=firing) for firing in states]
            send(functools.partial(a_slack, url, mention=None), *messages)
            picture_of_sandbox(browser, sandbox, "#slack .message", folder / f"message-slack-{name}.png")
    with running_sandbox() as sandbox:
        send(lambda: a_pagerduty(sandbox.http_url), message_of(firing=True))
        picture_of_sandbox(browser, sandbox, "#pagerduty .phone", folder / "message-pagerduty.png")
    for name, firing, scheme in (("light", True, "light"), ("dark", True, "dark"), ("resolved", False, "light")):
        html = message_of(firing=firing, html=True).html
        picture_of_mail(browser, html, scheme, folder / f"message-mail-{name}.png")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/images")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, chromium(Path(scratch), own_fonts=False) as browser:
        take(folder, browser)


if __name__ == "__main__":
    main()
