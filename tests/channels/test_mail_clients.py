"""A mail looks right in the clients that responders use: two linters, and dark mode as each kind of client makes it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from bridge.core.model import Severity
from bridge.core.ports import Illustration
from bridge.rendering.renderer import Renderer
from bridge.rendering.sample import sample_context
from tests.channels.channel_builders import a_claim, an_email
from tests.channels.example_incident import the_context, the_incident
from tests.channels.mail_lint import lint
from tests.channels.message_reading import an_incident, rendered

STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
#: Enhancements in <style>, which a client that does not know them leaves out as a whole.
ENHANCEMENTS = {"<style>", "@media", "color-scheme", "filter"}
#: Inline; without them a long word makes the mail wider, and nothing else. `role` is for screen readers.
BEST_EFFORT = {"word-break", "table-layout", "role attribute", "<body> element"}
#: Rules for newsletters.
NO_NEWSLETTER = {"missing-unsubscribe", "missing-physical-address"}
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
READABLE = 4.5  #: https://www.w3.org/TR/WCAG22/#contrast-minimum


def mails() -> dict[str, str]:
    """Of each kind of state, as HTML."""
    renderer, html = Renderer(None, "https://bridge.example"), {}
    for firing in (True, False):
        claim, state = a_claim(firing=firing), "firing" if firing else "resolved"
        context = the_context(firing=firing)
        html[state] = renderer.message(the_incident(firing=firing), claim, (), context, html=True).html
    html["without a context"] = rendered(an_incident(), None).html
    html["acknowledged"] = rendered(an_incident(acknowledged_by="Ana"), sample_context()).html
    html["a warning"] = rendered(an_incident(severity=Severity.WARNING), sample_context()).html
    return html


@pytest.fixture(scope="module")
def linted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Also `NAME, inline`: without what is in <style>."""
    folder, every = tmp_path_factory.mktemp("mails"), mails()
    every |= {f"{name}, inline": STYLE.sub("", html) for name, html in every.items()}
    paths = [folder / f"{number}.html" for number in range(len(every))]
    for path, html in zip(paths, every.values(), strict=True):
        path.write_text(html)
    return dict(zip(every, lint(paths), strict=True))


@pytest.mark.parametrize("name", mails())
def test_no_client_lacks_what_a_mail_needs(linted: dict[str, dict[str, Any]], name: str) -> None:
    compatibility = linted[name]["audit"]["compatibility"]
    serious = [each for each in compatibility["warnings"] if each["severity"] != "info"]
    assert [each for each in serious if each["severity"] == "error"] == []
    assert set() == {each["property"] for each in serious} - ENHANCEMENTS - BEST_EFFORT
    assert [client for client, score in compatibility["scores"].items() if score["score"] < 80] == []


@pytest.mark.parametrize("name", mails())
def test_what_is_inline_is_usable_in_every_client(linted: dict[str, dict[str, Any]], name: str) -> None:
    errors = linted[f"{name}, inline"]["usable"].get("errors", [])
    missing = {found[1] for error in errors if (found := re.match(r"`([^`]+)`", error))}
    assert set() == missing - BEST_EFFORT


@pytest.mark.parametrize("name", mails())
def test_links_pictures_size_and_access_are_sound(linted: dict[str, dict[str, Any]], name: str) -> None:
    audit = linted[name]["audit"]
    for part in ("links", "accessibility", "images", "size", "templateVariables"):
        assert audit[part].get("issues", []) == [], part
    assert [issue for issue in audit["spam"]["issues"] if issue["rule"] not in NO_NEWSLETTER] == []


@pytest.mark.parametrize("name", mails())
def test_a_mail_fetches_nothing(name: str) -> None:
    html = mails()[name]
    assert re.findall(r"""(?:src|background)\s*=|url\(|@import|<link|<script""", html) == []


def test_a_picture_is_an_attachment_that_the_html_shows() -> None:
    picture = Illustration("Errors", "errors rise", b"\x89PNG", "https://bridge.example/charts/1.png")
    message = replace(rendered(an_incident(), sample_context()), pictures=(picture,))
    raw = an_email().compose(message, a_claim()).content
    (identity,) = re.findall(rb"Content-ID: <([^>]+)>", raw)
    assert b"cid:" + identity in raw.replace(b"=\r\n", b"")
    assert b"charts/1.png" not in raw


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", mails())
def test_every_text_is_readable(phone: Browser, name: str, scheme: Any) -> None:
    assert unreadable(phone, mails()[name], scheme) == []


@pytest.mark.parametrize("name", mails())
def test_every_text_is_readable_where_a_client_changes_colours_itself(
    phone: Browser, linted: dict[str, dict[str, Any]], name: str
) -> None:
    for client, dark in linted[name]["dark"].items():
        assert unreadable(phone, dark["html"], "light") == [], client
        assert dark["warnings"] == [], client


def unreadable(phone: Browser, html: str, scheme: Any) -> list[str]:
    """Texts whose contrast with what is behind them is too low."""
    page = phone.new_page(viewport={"width": 390, "height": 700}, color_scheme=scheme)
    page.set_content(html)
    texts: list[tuple[str, float]] = page.evaluate(CONTRAST)
    page.close()
    assert len(texts) > 5
    return [f"{text}: {contrast:.1f}" for text, contrast in texts if contrast < READABLE]
