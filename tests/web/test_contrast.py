"""Contrast of text on every page and in mails: WCAG 2.2 AA, 4.5 to 1, in light and dark.

https://www.w3.org/TR/WCAG22/#contrast-minimum
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHEETS = ("bridge/web/static/bridge.css", "dev/sandbox/static/page.css")
ENOUGH = 4.5
WITHOUT_TEXT = ("--phone", "--rule", "--line")  # frames and strokes


def luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    whole = "".join(each * 2 for each in digits) if len(digits) == 3 else digits
    parts = [int(whole[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def rules(css: str) -> list[tuple[str, str]]:
    """(selector, declarations), those within @media too."""
    plain = re.sub(r"/\*.*?\*/|@media[^{]*\{", "", css, flags=re.DOTALL)
    return [(selector.strip(), body) for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", plain)]


def schemes(css: str) -> list[Mapping[str, str]]:
    """The variables in light, then in dark."""
    light, dark = (
        dict(re.findall(r"(--[\w-]+):\s*(#\w+)", body)) for selector, body in rules(css) if selector == ":root"
    )
    return [light, {**light, **dark}]


def used(css: str, name: str) -> set[str]:
    found = re.findall(rf"(?:^|[;\s]){name}:[^;]*?var\((--[\w-]+)\)", "\n".join(body for _, body in rules(css)))
    return set(found) - set(WITHOUT_TEXT)


@pytest.mark.parametrize(("sheet", "scheme"), list(product(SHEETS, (0, 1))))
def test_every_text_colour_has_enough_contrast_on_every_background(sheet: str, scheme: int) -> None:
    css = (ROOT / sheet).read_text()
    colours, texts, grounds = schemes(css)[scheme], used(css, "color"), used(css, "background")
    grounds -= {ground for ground in grounds if ground in texts}  # dots
    assert len(texts) > 4 and len(grounds) > 1
    poor = {
        f"{text} on {ground}": round(contrast(colours[text], colours[ground]), 2)
        for text, ground in product(sorted(texts), sorted(grounds))
        if contrast(colours[text], colours[ground]) < ENOUGH
    }
    assert poor == {}


@pytest.mark.parametrize("sheet", SHEETS)
def test_text_has_no_opacity_and_enough_contrast_on_its_own_background(sheet: str) -> None:
    for selector, body in rules((ROOT / sheet).read_text()):
        assert "opacity" not in body or selector == ".speaker", selector
        pair = re.findall(r"(?:^|\s)(?:color|background): (#\w{3,6})\b(?!\w)", body)
        assert len(pair) < 2 or contrast(*pair[:2]) >= ENOUGH, selector


def test_a_chart_has_the_colour_scheme_of_page_and_mail() -> None:
    """It is drawn on white; inverted, that is about the dark background of the page."""
    for place, card in (("bridge/web/static/bridge.css", "#16181b"), ("bridge/templates/body.html", "#1d2125")):
        (share,) = re.findall(
            r"prefers-color-scheme: dark\).*\.chart \{ filter: invert\(([.\d]+)\)",
            (ROOT / place).read_text(),
            re.DOTALL,
        )
        ground = f"#{round(255 * (1 - float(share))):02x}" + f"{round(255 * (1 - float(share))):02x}" * 2
        assert contrast(ground, card) < 1.1, place


def test_a_mail_has_enough_contrast_in_light_and_dark() -> None:
    mail = (ROOT / "bridge/templates/body.html").read_text()
    style, markup = re.findall(r"<style>(.*?)</style>(.*)", mail, re.DOTALL)[0]
    headers = re.findall(r"#\w{6}", mail.partition("%}")[0])
    assert len(headers) >= 5
    assert [colour for colour in headers if contrast(colour, "#ffffff") < ENOUGH] == []
    texts = set(re.findall(r'[";]color:(#\w{6})', markup)) - {"#ffffff"}
    assert [text for text in texts for ground in ("#ffffff", "#fff8e6") if contrast(text, ground) < ENOUGH] == []
    dark = list(re.findall(r"[ {]color: (#\w+)", style))
    assert [text for text in dark for ground in ("#1d2125", "#2a2620") if contrast(text, ground) < ENOUGH] == []
