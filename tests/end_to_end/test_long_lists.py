"""Twenty thousand open incidents on the real server: counted right, the old critical in sight, all in reach."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import requests
import sqlalchemy as sa

from bridge.core.model import Incident, Severity, State
from bridge.store import open_database
from bridge.store.database import transaction
from bridge.store.rows import incident_row
from bridge.store.tables import incident
from tests.builders import a_group, at
from tests.end_to_end.machines import Bridge

pytestmark = pytest.mark.timeout(240)
FLOOD, OLD = 20_000, 1
NEXT = re.compile(r'<a rel="next" href="([^"]+)">')


def flood(url: str) -> None:
    """One critical incident of long ago, and a flood of newer, less severe ones; half of them acknowledged."""
    engine = open_database(url)
    blank = Incident.begun(a_group(), "Slow (ml/toxicity-api)", at(0), "uid")
    kinds = [
        (Severity.CRITICAL, State.OPEN),
        *((Severity.WARNING, (State.OPEN, State.ACKNOWLEDGED)[n % 2]) for n in range(FLOOD - 1)),
    ]
    found = (
        replace(blank, uid=f"u{n}", key=f"k{n}", severity=severity, state=state, opened_at=at(n), updated_at=at(n))
        for n, (severity, state) in enumerate(kinds)
    )
    with transaction(engine) as connection:
        connection.execute(sa.insert(incident), [incident_row(each) for each in found])
    engine.dispose()


def test_a_flood_hides_no_old_critical_incident(bridge: Bridge) -> None:
    flood(bridge.database_url)
    page = requests.get(bridge.url, timeout=60).text
    assert "20,000 open incidents" in page and "showing 1–100 of 20,000" in page
    assert "1 critical" in page and "19,999 warning" in page and "9,999 acknowledged" in page
    assert f'<span class="number">#{OLD}</span>' in page.partition("</li>")[0]
    second = requests.get(bridge.url + html_unescaped(NEXT.findall(page)[0]), timeout=60).text
    assert "showing 101–200 of 20,000" in second
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        asked = {"resolved": "false", "limit": "1000", "cursor": cursor}
        answer = requests.get(f"{bridge.url}/api/v1/incidents", asked, timeout=60).json()
        seen += [each["number"] for each in answer["incidents"]]
        cursor = answer["next"]
        assert answer["total"] == FLOOD
    assert seen[0] == OLD
    assert sorted(seen) == [*range(1, FLOOD + 1)]


def html_unescaped(href: str) -> str:
    return href.replace("&amp;", "&")


def test_the_runbooks_come_with_the_server(bridge: Bridge) -> None:
    index = requests.get(f"{bridge.url}/runbooks/", timeout=60).text
    (name,) = set(re.findall(r'href="/runbooks/(AlertBridgeDown)"', index))
    assert "First three actions" in requests.get(f"{bridge.url}/runbooks/{name}", timeout=60).text
    for path in ("/static/icon.svg", "/favicon.ico"):
        icon = requests.get(f"{bridge.url}{path}", timeout=60)
        assert (icon.status_code, icon.headers["Content-Type"].partition(";")[0]) == (200, "image/svg+xml")
