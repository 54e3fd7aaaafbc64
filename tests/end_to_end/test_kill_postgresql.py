"""The same storm as on SQLite, on PostgreSQL: the bridge killed, then its connections to the database."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import ROOT, Bridge, eventually, sandbox_environment
from tests.end_to_end.notified import pages, settled
from tests.end_to_end.webhooks import Storm, reached

SIZE = 300
CUT = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str, database_url: str) -> Iterator[Bridge]:
    """The shipped routes without PagerDuty's pace, so that a storm fits into a test."""
    config, pace = tmp_path / "routes.yaml", "rate: 120/m "
    text = (ROOT / "routes.yaml").read_text()
    assert pace in text
    config.write_text(text.replace(pace, "rate: unlimited "))
    bridge = Bridge(tmp_path, sandbox_environment(sandbox, token), config, database=database_url)
    bridge.start()
    try:
        yield bridge
    finally:
        bridge.stop()


only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@only_postgresql
def test_killing_it_in_mid_storm_loses_nothing_and_pages_once_on_postgresql(
    bridge: Bridge, sandbox: RunningSandbox, token: str, database_url: str
) -> None:
    storm = Storm(bridge, token, SIZE)
    storm.start()
    eventually(partial(reached, storm, SIZE // 4))
    bridge.kill_everything()
    bridge.start()
    storm.finish()
    all_paged_once(bridge, sandbox, storm, database_url)


@only_postgresql
def test_cutting_every_connection_in_mid_storm_loses_nothing_and_pages_once(
    bridge: Bridge, sandbox: RunningSandbox, token: str, database_url: str
) -> None:
    storm = Storm(bridge, token, SIZE)
    storm.start()
    for part in (1, 2, 3):
        eventually(partial(reached, storm, part * SIZE // 4))
        assert asked(database_url, CUT) > 0
    storm.finish()
    all_paged_once(bridge, sandbox, storm, database_url)


def all_paged_once(bridge: Bridge, sandbox: RunningSandbox, storm: Storm, database_url: str) -> None:
    assert storm.accepted == SIZE
    eventually(lambda: len(pages(sandbox)) == SIZE)  # what was being sent waits until its lease is over
    eventually(lambda: settled(bridge.url))
    assert {page["pages"] for page in pages(sandbox)} == {1}
    assert asked(database_url, "SELECT count(*) FROM incident") == SIZE
    eventually(bridge.ready)


def asked(database_url: str, sql: str) -> int:
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        number = connection.execute(sa.text(sql)).scalar_one()
    engine.dispose()
    return int(number)
