"""`bridge incidents list` with more incidents than it shows: newer ones never hide a severe one."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from bridge.core.model import Severity
from bridge.store import open_database
from bridge.store.tables import incident
from tests.builders import at
from tests.cli.cli_fixtures import run, with_incidents

MANY = 20_000


@pytest.fixture
def url(database_url: str) -> str:
    """One critical incident, older than 19,999 warnings; and a resolved one."""
    with_incidents(database_url, 1, severity="critical", alertname="Old")
    engine = open_database(database_url)
    with engine.begin() as connection:
        (first,) = connection.execute(sa.select(incident)).mappings()
        own = {name: value for name, value in first.items() if name != "number"}
        fresh = {**own, "severity": "warning", "title": "New"}
        newer = [{**fresh, "uid": f"u{number}", "updated_at": at(number)} for number in range(10, MANY + 9)]
        over = {**own, "uid": "over", "state": "resolved", "updated_at": at(99_999), "resolved_at": at(99_999)}
        unique = [name for name in ("group_key", "dedup_key", "key") if name in own]
        rows = [{**row, **dict.fromkeys(unique, f"{row['uid']}")} for row in [*newer, over]]
        connection.execute(sa.insert(incident), rows)
    engine.dispose()
    return database_url


def test_the_most_severe_come_first_with_the_total_at_the_end(url: str) -> None:
    result = run("incidents", "list", "--database", url)
    lines = result.output.splitlines()
    assert (result.exit_code, len(lines)) == (0, 101)
    assert "critical" in lines[0] and "Old" in lines[0]
    assert lines[-1] == "100 of 20,000 open incidents, the most urgent first; --limit 20000 shows them all."
    with_all = run("incidents", "list", "--all", "--limit", "3", "--database", url).output.splitlines()
    assert "3 of 20,001 incidents" in with_all[-1] and "resolved" not in with_all[0]


def test_a_complete_list_has_no_last_line(url: str) -> None:
    lines = run("incidents", "list", "--limit", "1000000", "--database", url).output.splitlines()
    assert (len(lines), lines[-1].startswith("#")) == (MANY, True)


@pytest.mark.parametrize("limit", ["0", "-1", "x", "99999999999999999999"])
def test_an_invalid_limit_is_refused(tmp_path: Path, limit: str) -> None:
    result = run("incidents", "list", "--limit", limit, "--database", f"sqlite:///{tmp_path}/bridge.db")
    assert (result.exit_code, "Invalid value for '--limit'" in result.stderr) == (2, True)


def test_severities_are_listed_in_order(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/bridge.db"
    for word in ("none", "info", "zzz", "warning", "critical"):
        with_incidents(url, 1, severity=word, alertname=f"A{word}")
    shown = [line.split()[2] for line in run("incidents", "list", "--database", url).output.splitlines()]
    assert shown == [str(severity) for severity in Severity]
