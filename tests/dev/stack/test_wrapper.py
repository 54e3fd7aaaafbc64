"""`.run/bridge` talks to the bridge of its own run, whatever the caller's shell says, and has no secret."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from bridge.store import open_database
from dev.stack import wrapper
from dev.stack.places import Places
from dev.stack.ports import Ports

SECRET = 'it\'s-a-$hidden-`value`-"quoted"'


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path / "a run's folder")
    places.create()
    secrets = dict.fromkeys(("PAGERDUTY_ROUTING_KEY", "SLACK_BOT_TOKEN", "ALERTMANAGER_TOKEN"), SECRET)
    wrapper.write(places, Ports(), {**secrets, "SMTP_TLS": "none", "HOME": "/nowhere"})
    return places


def run(places: Places, *words: str) -> subprocess.CompletedProcess[str]:
    elsewhere = {**os.environ, "BRIDGE_DATABASE_URL": "sqlite:////nowhere/bridge.db", "BRIDGE_CONFIG": "/nowhere"}
    return subprocess.run(
        [places.wrapper, *words], env=elsewhere, cwd="/", capture_output=True, text=True, timeout=60, check=False
    )


def test_it_is_private_and_holds_no_secret(places: Places) -> None:
    assert stat.S_IMODE(places.wrapper.stat().st_mode) == 0o700
    assert stat.S_IMODE(places.bridge_environment.stat().st_mode) == 0o600
    assert "hidden" not in places.wrapper.read_text()
    assert "/nowhere" not in places.bridge_environment.read_text()


def test_its_commands_talk_to_the_bridge_of_the_run(places: Places) -> None:
    assert ((done := run(places, "incidents", "list")).returncode, str(places.database) in done.stderr) == (1, True)
    assert not places.database.exists()
    open_database(f"sqlite:///{places.database}").dispose()
    done = run(places, "incidents", "list")
    assert (done.returncode, done.stdout) == (0, "No open incident.\n")
    assert "pagerduty-ml" in run(places, "route", "severity=critical").stdout
    checked = run(places, "check", "--no-rules")
    assert "this is no routing key" in checked.stdout and "hidden" not in checked.stdout + checked.stderr


def test_it_can_be_written_again_and_shown_as_one_types_it(places: Places) -> None:
    wrapper.write(places, Ports(), {})
    assert wrapper.shown(Places()) == ".run/bridge"
    assert wrapper.shown(places).startswith("'") and str(places.run.parent) in wrapper.shown(places)
