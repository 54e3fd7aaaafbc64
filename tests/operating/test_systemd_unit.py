"""The systemd unit: its settings, and the bridge run according to it in a read-only file system."""

from __future__ import annotations

import contextlib
import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from bridge.app.supervisor import CANNOT_RUN, GRACE_SECONDS
from dev.sandbox.running import RunningSandbox
from dev.stack.free_port import free_port
from tests.end_to_end.machines import ROOT, eventually
from tests.end_to_end.webhooks import webhook
from tests.operating import read_only_system
from tests.operating.machines import routes

pytestmark = pytest.mark.timeout(180)

UNIT = ROOT / "systemd" / "incident-bridge.service"


def settings(text: str) -> dict[str, list[str]]:
    """Each key with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


SHIPPED = settings(UNIT.read_text())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    # systemd-analyze checks that the program exists
    here = UNIT.read_text().replace("/opt/incident-bridge/bin/bridge", "/bin/true")
    file = tmp_path / UNIT.name
    file.write_text(here)
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in done.stderr.splitlines() if file.name in line] == []


def test_the_unit_waits_for_the_network_and_restarts_except_after_a_configuration_fault() -> None:
    assert SHIPPED["Wants"] == SHIPPED["After"] == ["network-online.target"]
    assert (SHIPPED["Restart"], SHIPPED["StartLimitIntervalSec"]) == (["always"], ["0"])
    assert SHIPPED["RestartPreventExitStatus"] == [str(CANNOT_RUN)]


def test_the_unit_gives_the_bridge_time_to_end_its_children() -> None:
    assert SHIPPED["KillMode"] == ["mixed"]
    assert int(SHIPPED["TimeoutStopSec"][0]) > GRACE_SECONDS


def test_the_limit_of_open_files_exceeds_that_of_connections() -> None:
    assert int(SHIPPED["LimitNOFILE"][0]) > 4000


def test_its_files_are_private_to_its_user() -> None:
    assert (SHIPPED["UMask"], SHIPPED["StateDirectoryMode"]) == (["0077"], ["0700"])


def test_the_page_explains_how_to_install_the_unit() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    assert "systemd/incident-bridge.service /etc/systemd/system/" in page
    assert "[Service]" not in page  # no second copy that could differ


@dataclass(frozen=True)
class Unit:
    """The unit with its folders below a folder of the test, and this environment's program."""

    folder: Path
    text: str
    port: int

    def here(self, value: str) -> str:
        moved = {
            "/opt/incident-bridge": sys.prefix,
            "/etc/incident-bridge": self.etc,
            "/var/lib/incident-bridge": self.state,
        }
        for old, new in moved.items():
            value = value.replace(old, str(new))
        return value

    @property
    def etc(self) -> Path:
        return self.folder / "etc"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def start(self, secrets: Mapping[str, str]) -> subprocess.Popen[str]:
        given = settings(self.text)
        assert given["ProtectSystem"] == ["strict"]
        self.etc.mkdir()
        self.state.mkdir(mode=int(given["StateDirectoryMode"][0], 8))
        routes(self.etc)
        variables = dict(pair.split("=", 1) for pair in map(self.here, given["Environment"]))
        arguments: dict[str, Any] = {
            "command": self.here(given["ExecStart"][0]).split(),
            "environment": {
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8",
                "BRIDGE_LISTEN": f"127.0.0.1:{self.port}", **variables, **secrets,
            },
            "writable": [str(self.state)],
            "visible": [str(ROOT), str(self.etc)],
            "private_tmp": given.get("PrivateTmp") == ["yes"],
        }  # fmt: skip
        command = [sys.executable, read_only_system.__file__, json.dumps(arguments)]
        mask = int(given["UMask"][0], 8)
        with (self.folder / "log").open("w") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, text=True, umask=mask)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextlib.contextmanager
def running(unit: Unit, sandbox: RunningSandbox, token: str) -> Iterator[subprocess.Popen[str]]:
    process = unit.start(sandbox.environment(token))
    try:
        eventually(lambda: process.poll() is not None or '"worker_ready"' in unit.log)
        if process.poll() == read_only_system.CANNOT:
            pytest.skip(unit.log.strip())
        yield process
    finally:
        process.terminate()
        process.wait(60)


def test_the_bridge_runs_in_the_read_only_file_system_of_the_unit(
    tmp_path: Path, sandbox: RunningSandbox, token: str
) -> None:
    unit = Unit(tmp_path, UNIT.read_text(), free_port())
    with running(unit, sandbox, token) as process:
        url = f"http://127.0.0.1:{unit.port}"
        eventually(lambda: process.poll() is not None or requests.get(f"{url}/-/ready", timeout=5).ok)
        assert process.poll() is None, unit.log
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.post(f"{url}/webhook/alertmanager/prod", json=webhook(1), headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text
        eventually(lambda: sandbox.state["pagerduty"]["incidents"])
        sent = 'bridge_delivery_attempts_total{channel="pagerduty-ml",result="ok"} 1.0'  # the worker counts this
        eventually(lambda: sent in requests.get(f"{url}/metrics", timeout=10).text)
        files = [path for path in unit.state.rglob("*") if path.is_file()]
        assert "bridge.db" in [path.name for path in files]
        assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in files} == {0}
    assert process.returncode == 0


def test_without_a_private_tmp_the_bridge_explains_what_is_missing(
    tmp_path: Path, sandbox: RunningSandbox, token: str
) -> None:
    text = UNIT.read_text().replace("PrivateTmp=yes\n", "")
    unit = Unit(tmp_path, text, free_port())
    with running(unit, sandbox, token) as process:
        assert process.wait(60) == CANNOT_RUN, unit.log
    assert "PrivateTmp=yes" in unit.log
    assert "Traceback" not in unit.log
