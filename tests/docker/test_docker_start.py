"""The small programs that containers start with: secrets, the login, and the health check."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from bridge.app.wiring import load_settings
from bridge.web.auth import check_listen
from dev.sandbox.credentials import ROUTING_KEY, SLACK_TOKEN
from docker.start import make_secrets, with_login, with_secrets
from tests.docker.compose_reading import ROOT

START = ROOT / "docker" / "start"
SANDBOX = {"PAGERDUTY_BASE_URL": "http://sandbox:9911", "SLACK_BASE_URL": "http://sandbox:9911/api/"}
REAL = {"PAGERDUTY_BASE_URL": "https://events.pagerduty.com", "SLACK_BASE_URL": "https://slack.com/api/"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for places in make_secrets.PLACES.values():
        for place in places:
            (tmp_path / "secrets" / place).parent.mkdir(parents=True, exist_ok=True)
    return tmp_path / "secrets"


def read(folder: Path) -> dict[str, set[str]]:
    return {name: {(folder / place).read_text() for place in places} for name, places in make_secrets.PLACES.items()}


def test_secrets_are_generated_once_and_kept(folder: Path) -> None:
    make_secrets.make(folder, SANDBOX)
    first = read(folder)
    assert {len(values) for values in first.values()} == {1}
    assert len(first) == len(set[str]().union(*first.values()))
    (routing_key,), (token,) = first["PAGERDUTY_ROUTING_KEY"], first["SLACK_BOT_TOKEN"]
    assert ROUTING_KEY.fullmatch(routing_key) and SLACK_TOKEN.fullmatch(token)
    assert all(line.endswith(": kept") for line in make_secrets.make(folder, SANDBOX))
    assert read(folder) == first


def test_two_stacks_have_different_secrets(folder: Path, tmp_path: Path) -> None:
    make_secrets.make(folder, SANDBOX)
    first = set[str]().union(*read(folder).values())
    for file in folder.glob("*/*"):
        file.unlink()
    make_secrets.make(folder, {})
    assert not first & set[str]().union(*read(folder).values())


@pytest.fixture(params=[0o000, 0o022, 0o077], ids="umask {:03o}".format)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_secrets_are_readable_by_owner_and_group_only(umask: None, folder: Path) -> None:
    make_secrets.make(folder, SANDBOX)
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.glob("*/*")} == {0o440}


def test_a_given_secret_replaces_the_kept_one(folder: Path) -> None:
    make_secrets.make(folder, SANDBOX)
    output = make_secrets.make(folder, {**SANDBOX, "ALERTMANAGER_TOKEN": "chosen", "SLACK_BOT_TOKEN": ""})
    assert read(folder)["ALERTMANAGER_TOKEN"] == {"chosen"}
    assert "chosen" not in "".join(output) and "ALERTMANAGER_TOKEN: given" in output


def test_a_real_vendor_never_gets_a_generated_key(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"set PAGERDUTY_ROUTING_KEY, SLACK_BOT_TOKEN\."):
        make_secrets.make(folder, REAL)
    assert list(folder.glob("*/*")) == []
    make_secrets.make(folder, {**REAL, "PAGERDUTY_ROUTING_KEY": "k", "SLACK_BOT_TOKEN": "t"})
    assert read(folder)["PAGERDUTY_ROUTING_KEY"] == {"k"}


def test_secret_files_become_variables_unless_set(folder: Path) -> None:
    (folder / "bridge" / "slack_bot_token").write_text("from the file\n")
    (folder / "bridge" / "pgpassword").write_text("other")
    merged = with_secrets.merged(folder / "bridge", {"SLACK_BOT_TOKEN": "", "PGPASSWORD": "chosen", "HOME": ""})
    assert merged == {"SLACK_BOT_TOKEN": "from the file", "PGPASSWORD": "chosen", "HOME": ""}
    assert with_secrets.merged(folder / "gone", {"A": "b"}) == {"A": "b"}


def run(program: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(START / f"{program}.py"), *words]
    return subprocess.run(
        command, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, timeout=600
    )


def test_the_command_gets_the_secrets_of_its_folder(folder: Path) -> None:
    make_secrets.make(folder, {**SANDBOX, "SLACK_BOT_TOKEN": "xoxb-1"})
    code = "import os; print(os.environ['SLACK_BOT_TOKEN'])"
    done = run("with_secrets", sys.executable, "-c", code, SECRETS_FOLDER=str(folder / "sandbox"))
    assert done.stdout == "xoxb-1\n", done.stderr
    done = run("with_secrets", "no-such-program", SECRETS_FOLDER=str(folder / "sandbox"))
    assert done.returncode == 1 and "no-such-program must exist" in done.stderr


def login(tmp_path: Path, config: Path, password: str = "open sesame") -> dict[str, str]:
    environment = {"BRIDGE_CONFIG": str(config), "BRIDGE_ADMIN_PASSWORD": password}
    return with_login.prepared(environment, tmp_path)


def test_the_copy_of_the_routes_with_a_login_is_private(umask: None, tmp_path: Path) -> None:
    for _ in range(2):  # a container that starts again
        copy = Path(login(tmp_path, ROOT / "routes.yaml")["BRIDGE_CONFIG"])
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_the_shipped_routes_get_a_login_and_may_then_listen_on_any_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = login(tmp_path, ROOT / "routes.yaml")
    for name in ("ALERTMANAGER_TOKEN", "PAGERDUTY_ROUTING_KEY", "SLACK_BOT_TOKEN"):
        monkeypatch.setenv(name, "xoxb-12345678-x" if "SLACK" in name else "a" * 32)
    with pytest.raises(ValueError, match="needs a login"):
        check_listen("0.0.0.0", load_settings(ROOT / "routes.yaml"))
    monkeypatch.setenv("BRIDGE_ADMIN_PASSWORD_HASH", environment["BRIDGE_ADMIN_PASSWORD_HASH"])
    check_listen("0.0.0.0", load_settings(Path(environment["BRIDGE_CONFIG"])))
    assert "BRIDGE_ADMIN_PASSWORD" not in environment
    assert "open sesame" not in Path(environment["BRIDGE_CONFIG"]).read_text() + str(environment)


def test_routes_with_their_own_users_are_not_changed(tmp_path: Path) -> None:
    config = tmp_path / "own.yaml"
    config.write_text('web: {users: {alice: "${ALICE_PASSWORD_HASH}"}}\n')
    assert login(tmp_path / "run", config)["BRIDGE_CONFIG"] == str(config)


def test_invalid_yaml_is_left_for_the_bridge_to_report(tmp_path: Path) -> None:
    config = tmp_path / "broken.yaml"
    config.write_text("a: [\n")
    assert login(tmp_path / "run", config)["BRIDGE_CONFIG"] == str(config)


def test_a_login_needs_a_password_and_no_other_web_section(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no BRIDGE_ADMIN_PASSWORD to add one"):
        login(tmp_path, ROOT / "routes.yaml", password="")
    config = tmp_path / "half.yaml"
    config.write_text(yaml.safe_dump({"web": {"other": 1}}))
    with pytest.raises(ValueError, match="`web` section without users"):
        login(tmp_path, config)


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/well" else 503)
            self.end_headers()
            self.wfile.write(b"no worker for 30 s")

        def log_message(self, *_: object) -> None:
            """No output."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_health_is_the_status_of_the_url(server: str) -> None:
    assert run("healthy", f"{server}/well").returncode == 0
    unhealthy = run("healthy", f"{server}/ill")
    assert unhealthy.returncode == 1 and "503: no worker for 30 s" in unhealthy.stderr
    unreachable = run("healthy", "http://127.0.0.1:1/")
    assert unreachable.returncode == 1 and "does not answer" in unreachable.stderr
    assert run("healthy").returncode == 1


def test_a_recently_changed_file_is_healthy(tmp_path: Path) -> None:
    beat = tmp_path / "worker.beat"
    missing = run("healthy", "--beat", str(beat))
    assert missing.returncode == 1 and "No such file" in missing.stderr
    beat.touch()
    assert run("healthy", "--beat", str(beat)).returncode == 0
    for away in (-300, 300):  # a clock that was set back makes a time in the future
        os.utime(beat, (time.time() + away,) * 2)
        old = run("healthy", "--beat", str(beat))
        assert old.returncode == 1 and "the worker hangs" in old.stderr
