"""A rolling upgrade on PostgreSQL: a version with a migration replaces the previous one while alerts arrive."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from bridge.store.database import NEWEST
from dev.sandbox.running import RunningSandbox
from dev.stack.free_port import free_port
from tests.end_to_end.machines import ROOT, eventually
from tests.end_to_end.notified import pages, settled
from tests.end_to_end.webhooks import webhook
from tests.operating.machines import new_database, routes

PAUSE_SECONDS = 0.05  #: of each client between two requests
NEWER = f"{int(NEWEST) + 1:04}"
#: It keeps its locks for a while, as it would in a large table.
MIGRATION = f"""
import sqlalchemy as sa
from alembic import op
revision = "{NEWER}"
down_revision = "{NEWEST}"
def upgrade() -> None:
    op.add_column("incident", sa.Column("team", sa.Text(), nullable=False, server_default=""))
    op.execute("SELECT pg_sleep(1)")
"""


def newer_version(folder: Path) -> Path:
    """A copy of the program with one more migration."""
    shutil.copytree(ROOT / "bridge", folder / "bridge", ignore=shutil.ignore_patterns("__pycache__"))
    store = folder / "bridge" / "store"
    (store / "migrations" / "versions" / f"{NEWER}_team.py").write_text(MIGRATION)
    text = (store / "database.py").read_text()
    assert f'NEWEST = "{NEWEST}"' in text
    (store / "database.py").write_text(text.replace(f'NEWEST = "{NEWEST}"', f'NEWEST = "{NEWER}"'))
    return folder


@dataclass
class BridgeProcess:
    """`bridge web` or `bridge worker`, as in a container of a pod."""

    process: subprocess.Popen[bytes]
    url: str = ""

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(300)


@dataclass
class Service:
    """One database, and the processes that use it."""

    folder: Path
    database: str
    config: Path
    environment: dict[str, str]

    @contextmanager
    def running(self, version: Path, kind: str) -> Iterator[BridgeProcess]:
        port = free_port()
        command = [sys.executable, "-m", "bridge", kind, "--config", str(self.config), "--database", self.database]
        command += ["--listen", f"127.0.0.1:{port}"] if kind == "web" else []
        with (self.folder / f"{kind}-{port}.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=version, env={**os.environ, **self.environment}, stdout=log, stderr=log
            )
        started = BridgeProcess(process, f"http://127.0.0.1:{port}")
        try:
            if kind == "web":
                eventually(lambda: requests.get(f"{started.url}/-/healthy", timeout=60).ok)
            yield started
        finally:
            started.stop()

    def query(self, sql: str) -> str:
        engine = sa.create_engine(self.database)
        with engine.connect() as connection:
            answer = connection.execute(sa.text(sql)).scalar_one()
        engine.dispose()
        return str(answer)


@dataclass
class Clients:
    """They post until stopped, to the web processes in turn; the next one if a connection is refused or cut."""

    token: str
    webs: list[str]
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    stopped: threading.Event = field(default_factory=threading.Event)

    def storm(self) -> list[threading.Thread]:
        threads = [threading.Thread(target=self._post, args=(part,), daemon=True) for part in range(4)]
        for thread in threads:
            thread.start()
        return threads

    def accepted(self, *urls: str) -> int:
        return sum(
            count for (url, status), count in self.answers.items() if status == 200 and (url in urls or not urls)
        )

    def _post(self, part: int) -> None:
        for number in itertools.count(part, 4):
            if self.stopped.wait(PAUSE_SECONDS):
                return
            attempt = number
            while not self._accepted(self.webs[attempt % len(self.webs)], number):
                attempt += 1
                time.sleep(0.05)

    def _accepted(self, url: str, number: int) -> bool:
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            endpoint = f"{url}/webhook/alertmanager/prod"
            answer = requests.post(endpoint, json=webhook(number), headers=headers, timeout=60)
        except requests.RequestException:
            return False
        self.answers[(url, answer.status_code)] += 1
        return answer.ok


@pytest.fixture
def service(tmp_path: Path, sandbox: RunningSandbox, token: str, postgres_url: str) -> Service:
    return Service(tmp_path, new_database(postgres_url), routes(tmp_path), sandbox.environment(token))


def test_a_rolling_upgrade_with_a_migration_refuses_and_loses_nothing(
    service: Service, sandbox: RunningSandbox, token: str, tmp_path: Path
) -> None:
    newer = newer_version(tmp_path / "newer")
    with ExitStack() as stack:
        first, second = (stack.enter_context(service.running(ROOT, "web")) for _ in range(2))
        old_worker = stack.enter_context(service.running(ROOT, "worker"))
        clients = Clients(token, [first.url, second.url])
        threads = clients.storm()
        eventually(lambda: clients.accepted() > 20)
        third = stack.enter_context(service.running(newer, "web"))
        stack.enter_context(service.running(newer, "worker"))
        assert service.query("SELECT version_num FROM alembic_version") == NEWER
        before = clients.accepted(first.url, second.url)
        # the old processes go on after the migration
        eventually(lambda: clients.accepted(first.url, second.url) > before + 10)
        clients.webs = [second.url, third.url]
        for old in (first, old_worker):
            old.stop()
        eventually(lambda: clients.accepted(third.url))
        clients.webs = [third.url]
        second.stop()
        clients.stopped.set()
        for thread in threads:
            thread.join(300)
        assert {status for _, status in clients.answers} == {200}
        assert service.query("SELECT count(*) FROM incident") == str(clients.accepted())
        eventually(lambda: len(pages(sandbox)) == clients.accepted())
        eventually(lambda: settled(third.url))
        assert {page["pages"] for page in pages(sandbox)} == {1}


def test_the_previous_version_does_not_start_on_the_newer_schema_and_explains_why(
    service: Service, tmp_path: Path
) -> None:
    with service.running(newer_version(tmp_path / "newer"), "web"):
        pass
    options = ["--config", str(service.config), "--database", service.database]
    command = [sys.executable, "-m", "bridge", "worker", *options]
    variables = {**os.environ, **service.environment}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 1
    assert f"the database has the schema {NEWER}, and this bridge knows {NEWEST} at most" in done.stderr
