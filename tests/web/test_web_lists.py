"""Long lists on the pages and in the API: the totals are complete, and the next pages have the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from bridge.core.cursors import Page, cursor_of
from bridge.core.model import Severity
from tests.web.example_site import running_site
from tests.web.web_fakes import ALERT, INCIDENT, World

NEXT = re.compile(r'<a rel="next" href="([^"]+)">')
NUMBER = re.compile(r'<span class="number">#(\d+)</span>')


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_site(tmp_path_factory.mktemp("site")) as url:
        yield url


def pages(site: str, path: str) -> list[str]:
    found: list[str] = []
    while path:
        answer = requests.get(f"{site}{path}", timeout=60)
        assert answer.status_code == 200
        found.append(answer.text)
        following = NEXT.search(answer.text)
        path = following[1].replace("&amp;", "&") if following else ""
    return found


def test_the_home_page_has_the_total_and_shows_the_most_urgent_first(site: str) -> None:
    first, second = pages(site, "/")
    assert "115 open incidents" in first and "showing 1–100 of 115" in first and "showing 101–115 of 115" in second
    assert "2 critical" in first and "39 warning" in first and "1 acknowledged" in first
    assert "Recently resolved" in first and "Recently resolved" not in second
    numbers = NUMBER.findall(first.partition("Recently resolved")[0]) + NUMBER.findall(second)
    assert numbers[:2] == ["1", "2"]
    assert (len(numbers), len(set(numbers))) == (115, 115)
    acknowledged = numbers.index("3")
    assert numbers.index("4") < numbers.index("117") < acknowledged < numbers.index("7")


def test_resolved_incidents_have_their_own_page(site: str) -> None:
    (page,) = pages(site, "/resolved")
    assert "10 resolved incidents" in page and "showing" not in page
    assert len(NUMBER.findall(page)) == 10


@pytest.mark.parametrize("name", ["incidents", "dead-letters", "changes"])
def test_the_api_continues_at_its_cursor(site: str, name: str) -> None:
    key = name.replace("-", "_")
    found: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = requests.get(f"{site}/api/v1/{name}", {"limit": "7", "cursor": cursor}, timeout=60).json()
        found += answer[key]
        cursor = answer["next"]
        total = answer["total"]
    whole = requests.get(f"{site}/api/v1/{name}?limit=1000", timeout=60).json()
    assert found == whole[key] and len(found) == total > 2
    assert whole["next"] is None


@pytest.mark.parametrize("path", ["/", "/resolved", "/dead-letters", "/changes", "/incidents/1/alerts"])
@pytest.mark.parametrize("cursor", ["x", "open:99:1", "resolved:1", "dead:1:1", cursor_of("nothing", 1), "%ED%A0%80"])
def test_an_unknown_cursor_is_refused_with_an_explanation(site: str, path: str, cursor: str) -> None:
    answer = requests.get(f"{site}{path}?cursor={cursor}", timeout=60)
    assert answer.status_code == 400
    assert "take it from the previous page" in answer.text or "UTF-8" in answer.text or "Invalid cursor" in answer.text


def test_an_unknown_cursor_of_the_api_is_refused_as_json(site: str) -> None:
    answer = requests.get(f"{site}/api/v1/incidents?cursor=x", timeout=60)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_large_counts_are_readable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {Severity.CRITICAL: (12_345, 1_000), Severity.NONE: (7_655, 0)}
    monkeypatch.setattr(world.reader, "open_counts", lambda: counts)
    monkeypatch.setattr(world.reader, "page_of_incidents", lambda **_: Page((INCIDENT,), 20_000, 0, "open:0:7"))
    page = world.get("/").text
    for words in (
        "20,000 open incidents",
        "12,345 critical",
        "1,000 acknowledged",
        "7,655 without a severity",
        "showing 1–1 of 20,000",
    ):
        assert words in page
    assert 'href="/?cursor=open:0:7"' in page.replace("%3A", ":")


def test_the_links_between_pages_of_suppressed_incidents_keep_the_channel(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.reader, "page_of_held", lambda *_: Page((INCIDENT,), 3, 1, "held:0:7"))
    page = world.get("/?channel=slack-ml&held=storm&cursor=held:0:1").text.replace("%3A", ":")
    assert "3 incidents suppressed on slack-ml" in page and "showing 2–2 of 3" in page
    assert "cursor=held:0:7" in page
    assert page.count("channel=slack-ml&amp;held=storm") >= 2


def test_all_alerts_of_an_incident_are_paged_and_none_is_left_out(world: World) -> None:
    alerts = {str(n): replace(ALERT, fingerprint=f"{n:04d}", labels={"alertname": f"A{n}"}) for n in range(450)}
    world.reader.all[7] = replace(INCIDENT, alerts=alerts)
    seen: list[str] = []
    path = "/incidents/7/alerts"
    while path:
        page = world.get(path).text
        assert "450 of 450 alerts firing" in page
        seen += re.findall(r"alertname=&#34;(A\d+)&#34;", page)
        following = NEXT.search(page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert len(set(seen)) == len(seen) == 450


def test_the_lists_say_so_when_they_are_empty(tmp_path: Path) -> None:
    with running_site(tmp_path, empty=True) as site:
        lists = (("/", "No open incidents"), ("/resolved", "No resolved"), ("/dead-letters", "No dead letters"))
        for path, words in lists:
            assert words in requests.get(f"{site}{path}", timeout=60).text
