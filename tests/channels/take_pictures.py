"""Takes the pictures of docs/messages.md anew: `python tests/channels/take_pictures.py docs/images`.

Real channels send into a sandbox, and a headless Chromium looks at it. It needs a font with emoji.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from playwright.sync_api import Browser, sync_playwright

from bridge.core.ports import Channel, Message
from bridge.rendering.renderer import Renderer
from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.channels.channel_builders import a_claim, a_pagerduty, a_slack
from tests.channels.example_incident import STARTED, the_context, the_incident, the_news

CHROMIUM = "/usr/bin/chromium"
PHONE = {"width": 375, "height": 800}
CLOCK = f"document.querySelectorAll('time').forEach(each => each.textContent = '{STARTED:%H:%M:%S}')"
UNFOLD = "document.querySelectorAll('#pagerduty details').forEach(each => each.open = true)"


def rendered(*, firing: bool, html: bool = False) -> Message:
    claim = a_claim(sent=0 if firing else 1, firing=firing)
    renderer = Renderer(None, "https://bridge.example")
    news, context = the_news(firing=firing), the_context(firing=firing)
    return renderer.message(the_incident(firing=firing), claim, news, context, html=html)


async def send(channel: Channel, states: list[bool]) -> None:
    """One send for each state, firing or not, as one delivery."""
    handle: dict[str, Any] = {}
    for sent, firing in enumerate(states):
        message, claim = rendered(firing=firing), a_claim(sent=sent, firing=firing, handle=handle)
        handle = dict((await channel.send(channel.compose(message, claim), message, claim)).handle)
    await channel.close()


def sent(channel: Callable[[], Channel], states: list[bool]) -> None:
    """In a thread of its own: the browser's library keeps the main thread's loop."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, send(channel(), states)).result()


def picture_of_sandbox(browser: Browser, sandbox: RunningSandbox, part: str, file: Path) -> None:
    page = browser.new_page(viewport={"width": 560, "height": 900})
    page.route("**/stream", lambda route: route.abort())  # the page would draw itself anew, with today's times
    page.goto(sandbox.http_url)
    page.evaluate(CLOCK)
    page.evaluate(UNFOLD)
    page.locator(part).first.screenshot(path=file)
    page.close()


def picture_of_mail(browser: Browser, html: str, scheme: Any, file: Path) -> None:
    page = browser.new_page(viewport=PHONE, color_scheme=scheme)  # type: ignore[arg-type]
    page.set_content(html)
    page.screenshot(path=file, full_page=True)
    page.close()


def take(folder: Path, browser: Browser) -> None:
    for name, states in (("firing", [True]), ("resolved", [True, False])):
        with running_sandbox() as sandbox:
            sent(lambda url=sandbox.slack_base_url: a_slack(url, mention=None), states)  # type: ignore[misc]
            picture_of_sandbox(browser, sandbox, "#slack .message", folder / f"message-slack-{name}.png")
    with running_sandbox() as sandbox:
        sent(lambda: a_pagerduty(sandbox.http_url), [True])
        picture_of_sandbox(browser, sandbox, "#pagerduty .phone", folder / "message-pagerduty.png")
    for name, firing, scheme in (("light", True, "light"), ("dark", True, "dark"), ("resolved", False, "light")):
        html = rendered(firing=firing, html=True).html
        picture_of_mail(browser, html, scheme, folder / f"message-mail-{name}.png")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/images")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        take(folder, browser)
        browser.close()


if __name__ == "__main__":
    main()
