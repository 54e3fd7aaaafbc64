"""What every user of the machine can read with ps contains no secret: the arguments of all our processes."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from dev.sandbox.running import RunningSandbox
from dev.stack.free_port import free_port
from tests.end_to_end.machines import ROOT, eventually
from tests.end_to_end.process_tree import DRAWING, arguments, descendants
from tests.end_to_end.process_tree import environment as environment_of
from tests.operating.machines import routes

pytestmark = pytest.mark.timeout(180)

PASSWORD = secrets.token_hex(16)
BOTH_WAYS = pytest.mark.parametrize(
    "url", ["postgresql://{user}:{password}@/{rest}", "postgresql://{user}@/{rest}&password={password}"]
)


@pytest.fixture
def database(database_url: str) -> tuple[str, str]:
    """The user, and what comes after the host; this server takes any password."""
    url = sa.make_url(database_url)
    rest = f"{url.database}?host={url.query['host']}"
    return str(url.username), rest


@pytest.fixture
def given(tmp_path: Path, sandbox: RunningSandbox, token: str) -> dict[str, str]:
    return {**sandbox.environment(token), "BRIDGE_CONFIG": str(routes(tmp_path))}


@BOTH_WAYS
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_databases_password_and_the_vendors_secrets_are_in_no_arguments(
    tmp_path: Path, given: dict[str, str], database: tuple[str, str], url: str
) -> None:
    user, rest = database
    whole = url.format(user=user, password=PASSWORD, rest=rest)
    log = tmp_path / "bridge.log"
    command = [sys.executable, "-m", "bridge", "serve", "--listen", f"127.0.0.1:{free_port()}"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **given, "BRIDGE_DATABASE_URL": whole}, stdout=stream, stderr=stream
        )
    try:
        eventually(lambda: '"worker_ready"' in log.read_text() and '"web_ready"' in log.read_text())
        family = descendants(process.pid)
        assert len(family) == 3
        shown = "\n".join(word for pid in family for word in arguments(pid))
        for secret in (PASSWORD, given["ALERTMANAGER_TOKEN"], given["SLACK_BOT_TOKEN"], given["PAGERDUTY_ROUTING_KEY"]):
            assert secret not in shown
        assert all(f"BRIDGE_DATABASE_URL={whole}" in environment_of(pid) for pid in family)
    finally:
        process.terminate()
        process.wait(60)
    assert PASSWORD not in log.read_text()


def test_the_drawing_process_is_given_no_secret_at_all() -> None:
    known = {**os.environ, "BRIDGE_DATABASE_URL": f"postgresql://u:{PASSWORD}@db/bridge", "SLACK_BOT_TOKEN": PASSWORD}
    with subprocess.Popen([sys.executable, "-c", DRAWING], cwd=ROOT, env=known, stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout is not None
            drawing = int(worker.stdout.readline())
            assert PASSWORD not in "\n".join([*arguments(drawing), *environment_of(drawing)])
        finally:
            worker.kill()


def test_a_password_that_a_user_gives_among_the_arguments_goes_no_further_and_is_warned_of(
    tmp_path: Path, given: dict[str, str]
) -> None:
    url = f"postgresql://bridge:{PASSWORD}@127.0.0.1:{free_port()}/bridge"  # nothing listens there
    log = tmp_path / "bridge.log"
    command = [sys.executable, "-m", "bridge", "serve", "--database", url, "--listen", f"127.0.0.1:{free_port()}"]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **given}, stdout=stream, stderr=stream)
    try:
        eventually(lambda: "cannot open postgresql" in log.read_text())
        shown = eventually(lambda: [word for pid in descendants(process.pid)[1:] for word in arguments(pid)])
        assert "bridge" in shown
        assert PASSWORD not in "\n".join(shown)
    finally:
        process.terminate()
        process.wait(60)
    assert "warning: every user of this machine can read the password in --database" in log.read_text()
    assert PASSWORD not in log.read_text()
