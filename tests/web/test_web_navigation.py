"""The links above every page: which is the current one, and that a phone breaks the line between them only."""

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
def test_the_current_section_is_said_to_who_does_not_see_it(path: str, current: tuple[str, str]) -> None:
    answer = World().get(path)
    assert 200 == answer.status_code
    assert [current] == re.findall(r'<a [^>]*aria-current="(\w+)"[^>]*>([^<]+)</a>', answer.text)


def test_a_page_of_no_section_is_in_none() -> None:
    answer = World().get("/nothing")
    assert 404 == answer.status_code and "aria-current" not in answer.text


def test_a_narrow_header_breaks_between_links_only() -> None:
    links = next(
        body for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", SHEET) if selector.strip() == "header a"
    )
    bar = next(
        body for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", SHEET) if selector.strip() == "header nav"
    )
    assert "white-space: nowrap" in links
    assert "flex-wrap: wrap" in bar
