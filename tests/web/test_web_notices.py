"""Notices on pages and in commands: they are reported and end, and do not look like faults."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bridge.core.model import Severity, State, Status
from bridge.store import open_database
from bridge.store.tables import incident
from tests.cli.cli_fixtures import run, with_incidents
from tests.web.web_fakes import ALERT, INCIDENT, NOW, World

LABELS = {"alertname": "MLModelDeployed", "severity": "info"}
NOTICE = replace(ALERT, labels=LABELS, annotations={"summary": "Version 2.4.0 is serving"})
FAULT_WORDS = re.compile(r"\b(fire|fires|firing|resolved)\b", re.IGNORECASE)


def visible_text(text: str) -> str:
    """The text of a page below the navigation, with the colours of badges."""
    main = text[text.index("<main>") :]
    return re.sub(r'href="[^"]*"|</?[a-z]+', " ", re.sub(r"<h2>Timeline</h2>.*?</ol>", "", main, flags=re.DOTALL))


@pytest.mark.parametrize("path", ["/incidents/7", "/incidents/7/alerts"])
@pytest.mark.parametrize("state", list(State))
def test_no_page_of_a_notice_looks_like_a_fault(path: str, state: State) -> None:
    world, over = World(), state is State.RESOLVED
    alert = replace(NOTICE, status=Status.RESOLVED, ends_at=NOW) if over else NOTICE
    world.reader.all[7] = replace(
        INCIDENT,
        severity=Severity.INFO,
        state=state,
        alerts={"f1": alert},
        resolved_at=NOW if over else None,
        resolved_by=INCIDENT.source if over else None,
    )
    page = visible_text(world.get(path).text)
    assert "Version 2.4.0 is serving" in page
    assert not FAULT_WORDS.search(page), page[:3000]
    assert f'class="badge {"ended" if over else "reported"}">' in page


def test_no_list_of_notices_looks_like_a_fault() -> None:
    world = World()
    for number in (6, 7):
        world.reader.all[number] = replace(world.reader.all[number], severity=Severity.INFO)
    page = world.get("/").text
    assert 'class="badge open informational">open<' in page and 'class="badge ended informational">ended<' in page
    assert " reported</span>" in page and " firing</span>" not in page


def test_a_fault_still_looks_like_one() -> None:
    page = World().get("/incidents/7").text
    assert 'class="badge firing">firing<' in page and 'class="badge open">open<' in page


def test_the_commands_show_the_same(database_url: str) -> None:
    with_incidents(database_url, 1, severity="info", alertname="MLModelDeployed")
    output = run("incidents", "show", "1", "--database", database_url).output
    assert "  reported" in output and not FAULT_WORDS.search(output), output
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.execute(incident.update().values(state="resolved", resolved_at=NOW))
    engine.dispose()
    output = run("incidents", "list", "--all", "--database", database_url).output
    assert "ended" in output and not FAULT_WORDS.search(output), output
