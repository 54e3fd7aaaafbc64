"""The pictures of docs: messages of drills that were really run, as the sandbox and a phone show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser

from dev.drills.running import Say, replayed
from dev.drills.scenario import load
from dev.drills.site import Site
from dev.sandbox.mailbox import Mail
from dev.stack.chromium import chromium
from dev.stack.places import ROOT

FOLDER = ROOT / "docs" / "images"
COLOURS = 256
PHONE: Any = {"width": 390, "height": 700}
NAMESPACE = "ml"  #: of all that is shown
#: A vendor's app has no frame of the sandbox's around it.
PLAIN = "main, .column, .phone { padding: 0 !important; border: 0 !important } body { font-family: Arial, sans-serif }"
UNFOLD = "document.querySelectorAll('#pagerduty details').forEach(each => each.open = true)"


@dataclass(frozen=True)
class Picture:
    """of: a place on the sandbox's page, or the last mail in light or dark mode."""

    file: str
    drill: str
    of: Literal["#slack .message", "#pagerduty .phone", "light", "dark"]


PICTURES = (
    Picture("message-slack-firing.png", "canary-one-of-three", "#slack .message"),
    Picture("message-pagerduty.png", "canary-one-of-three", "#pagerduty .phone"),
    Picture("message-mail-light.png", "canary-one-of-three", "light"),
    Picture("message-mail-dark.png", "canary-one-of-three", "dark"),
    Picture("message-slack-resolved.png", "resolved-after-a-rollback", "#slack .message"),
    Picture("message-mail-resolved.png", "resolved-after-a-rollback", "light"),
    Picture("message-slack-pods-gone.png", "all-pods-dead", "#slack .message"),
    Picture("message-slack-no-cause.png", "elevated-for-an-hour", "#slack .message"),
)


def take(folder: Path, say: Say) -> None:
    """It needs a font with emoji. Raises StackError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(each.drill for each in PICTURES):
        (scenario,) = load([name])
        with replayed([scenario.model_copy(update={"namespace": NAMESPACE})], say) as (site, _):
            _take(site, [each for each in PICTURES if each.drill == name], folder)


def _take(site: Site, pictures: Sequence[Picture], folder: Path) -> None:
    with TemporaryDirectory() as scratch, chromium(Path(scratch), own_fonts=False) as browser:
        for each in pictures:
            if each.of in ("light", "dark"):
                _of_mail(browser, site, each, folder / each.file)
            else:
                _of_sandbox(browser, site, each, folder / each.file)


def _of_sandbox(browser: Browser, site: Site, picture: Picture, file: Path) -> None:
    page = browser.new_page(viewport=PHONE, bypass_csp=True)
    page.goto(site.sandbox.http_url)
    page.add_style_tag(content=PLAIN)
    page.evaluate(UNFOLD)
    page.locator(picture.of).first.screenshot(path=file)
    page.close()
    _make_small(file)


def _of_mail(browser: Browser, site: Site, picture: Picture, file: Path) -> None:
    number = site.sandbox.state["mail"][-1]["number"]
    html = Mail(number, "", site.sandbox.raw_mail(number)).html_with_inline_images()
    page = browser.new_page(viewport=PHONE, color_scheme="dark" if picture.of == "dark" else "light")
    page.set_content(html)
    page.screenshot(path=file, full_page=True)
    page.close()
    _make_small(file)


def _make_small(file: Path) -> None:
    """By a third, with a palette; texts stay sharp."""
    Image.open(file).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
