"""The same storm as on SQLite, with PostgreSQL as the only thing that is not killed."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from sandbox.running import RunningSandbox
from stack import render
from stack.ports import Ports
from tests.end_to_end.machines import ROOT, Bridge, eventually
from tests.end_to_end.test_alert_to_people import Storm, pages

pytestmark = pytest.mark.timeout(180)


@dataclass
class PostgresBridge(Bridge):
    database: str = ""

    def start(self) -> None:
        command = [sys.executable, "-m", "bridge", "serve", "--config", str(self.config)]
        command += ["--database", self.database, "--listen", f"127.0.0.1:{self.port}"]
        with (self.folder / "bridge.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **self.environment}, stdout=log, stderr=log
            )
        eventually(self.ready)


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str, database_url: str) -> Iterator[PostgresBridge]:
    """The shipped routes without PagerDuty's pace, so that a storm fits into a test."""
    config, pace = tmp_path / "routes.yaml", "rate: 120/m "
    text = (ROOT / "routes.yaml").read_text()
    assert pace in text
    config.write_text(text.replace(pace, "rate: unlimited "))
    bridge = PostgresBridge(tmp_path, environment(sandbox, token), config, database=database_url)
    bridge.start()
    try:
        yield bridge
    finally:
        bridge.stop()


def environment(sandbox: RunningSandbox, token: str) -> dict[str, str]:
    http, smtp = (int(address.rpartition(":")[2]) for address in (sandbox.http_url, sandbox.smtp_address))
    secret = {"SLACK_BOT_TOKEN": f"xoxb-{secrets.token_hex(12)}", "PAGERDUTY_ROUTING_KEY": secrets.token_hex(16)}
    return {**render.environment(Ports(sandbox=http, smtp=smtp)), **secret, "ALERTMANAGER_TOKEN": token}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("victim", ["worker", "everything"])
def test_killing_it_in_mid_storm_loses_nothing_and_pages_once_on_postgresql(
    bridge: PostgresBridge, sandbox: RunningSandbox, token: str, database_url: str, victim: str
) -> None:
    size = 300
    storm = Storm(bridge, token, size)
    storm.start()
    eventually(lambda: storm.accepted > size // 4)
    if victim == "everything":
        bridge.kill_everything()
        bridge.start()
    else:
        bridge.kill(victim)
    storm.finish()
    assert size == storm.accepted
    eventually(lambda: len(pages(sandbox)) == size, 100)
    time.sleep(1)
    assert {1} == {page["pages"] for page in pages(sandbox)}
    assert size == stored(database_url)
    eventually(bridge.ready)


def stored(database_url: str) -> int:
    engine = sa.create_engine(database_url)
    with engine.connect() as connection:
        count = connection.execute(sa.text("SELECT count(*) FROM incident")).scalar_one()
    engine.dispose()
    return int(count)
