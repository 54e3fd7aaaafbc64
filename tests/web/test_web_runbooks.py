"""The runbooks of the bridge as pages: rendered, safe, and behind the login."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bridge.rendering import runbook_pages, runbooks
from bridge.rendering.runbook_pages import all_runbooks, runbook
from tests.web.web_fakes import PLAIN, USERS, World

WRITTEN = Path(__file__).parents[2] / "docs" / "runbooks"
NASTY = """# Nasty

<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1)) [b](data:text/html,x) [c](../secret.md)
[d](//evil.example) ![e](https://evil.example/x.png) [f](https://fine.example/?a=1&b=2) [g](Nasty.md#part) [h](Other.md)
"""


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hrefs += [value or "" for name, value in attrs if name == "href"]


@pytest.fixture
def world() -> World:
    return World()


def test_every_runbook_has_a_page_linked_from_the_index(world: World) -> None:
    index = world.get("/runbooks/").text
    names = sorted(page.stem for page in WRITTEN.glob("*.md"))
    assert [each.name for each in all_runbooks()] == names and len(names) > 20
    for name in names:
        assert f'href="/runbooks/{name}"' in index
        page = world.get(f"/runbooks/{name}").text
        assert f"<h1>{name}</h1>" in page and "First three actions</h2>" in page and "<pre><code" in page


def test_links_between_runbooks_have_a_target(world: World) -> None:
    for each in all_runbooks():
        links = Links()
        links.feed(each.html)
        own = [href for href in links.hrefs if not href.startswith("https://")]
        assert [href for href in own if world.get(f"/runbooks/{href}").status_code != 200] == []


def test_html_and_unsafe_links_in_a_runbook_are_inert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Nasty.md").write_text(NASTY)
    monkeypatch.setattr(runbooks, "FOLDER", tmp_path)
    for cached in (runbooks.names, runbook_pages.runbook):
        cached.cache_clear()
    try:
        found = runbook("Nasty")
    finally:
        monkeypatch.undo()
        for cached in (runbooks.names, runbook_pages.runbook):
            cached.cache_clear()
    assert found is not None
    links = Links()
    links.feed(found.html)
    assert links.hrefs == ["https://fine.example/?a=1&b=2", "Nasty#part"]
    assert not re.search(r"<script|<img|href=\"javascript|\.md\"", found.html)
    assert found.html.count("<a ") == found.html.count("</a>") == 2


@pytest.mark.parametrize(
    "name",
    ["Nothing", "../README", "..%2f..%2fREADME", "MLErrorRateCritical.md", "%00", ".", "%2e%2e", "mlerrorratecritical"],
)
def test_no_other_file_is_served(world: World, name: str) -> None:
    assert world.get(f"/runbooks/{name}").status_code in (400, 404)


def test_a_missing_runbook_is_explained(world: World) -> None:
    page = world.get("/runbooks/Mine").text
    assert "no runbook Mine" in page and "runbook_base_url" in page


def test_runbooks_need_the_login_of_the_other_pages() -> None:
    locked = World(PLAIN + USERS, require_login=True)
    for path in ("/runbooks/", "/runbooks/Watchdog", "/resolved", "/incidents/7/alerts", "/incidents/7/silence"):
        assert locked.get(path, "10.0.0.9").status_code == 401
        assert locked.get(path, "10.0.0.9", auth=("ann", "right")).status_code == 200


def test_a_runbook_page_loads_nothing_from_elsewhere(world: World) -> None:
    answer = world.get("/runbooks/Watchdog")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert " style=" not in answer.text
