"""The navigation of every page: its current link, and line breaks between links only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bridge.web
from tests.web.web_fakes import World

SHEET = (Path(bridge.web.__file__).parent / "static/bridge.css").read_text()


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/", ("page", "Incident bridge")),
        ("/incidents/7", ("true", "Incident bridge")),
        ("/incidents/7/alerts", ("true", "Incident bridge")),
        ("/incidents/7/silence", ("true", "Incident bridge")),
        ("/resolved", ("page", "Resolved")),
        ("/changes", ("page", "Changes")),
        ("/dead-letters", ("page", "Dead letters")),
        ("/runbooks/", ("page", "Runbooks")),
        ("/runbooks/AlertBridgeDown", ("true", "Runbooks")),
    ],
)
def test_the_current_section_is_marked_for_screen_readers(path: str, current: tuple[str, str]) -> None:
    answer = World().get(path)
    assert answer.status_code == 200
    assert re.findall(r'<a [^>]*aria-current="(\w+)"[^>]*>([^<]+)</a>', answer.text) == [current]


def test_a_page_outside_the_sections_marks_none() -> None:
    answer = World().get("/nothing")
    assert answer.status_code == 404 and "aria-current" not in answer.text


def test_a_narrow_header_breaks_between_links_only() -> None:
    links = next(
        body for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", SHEET) if selector.strip() == "header a"
    )
    bar = next(
        body for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", SHEET) if selector.strip() == "header nav"
    )
    assert "white-space: nowrap" in links
    assert "flex-wrap: wrap" in bar
