"""The real thing on loopback: bridge processes, Alertmanager, and the sandbox in their places."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from dev.sandbox.running import RunningSandbox
from dev.stack import render
from dev.stack.binaries import find, working_folder
from dev.stack.free_port import free_port
from dev.stack.ports import Ports

ROOT = Path(__file__).parents[2]


def eventually(ask: Callable[[], Any], seconds: float = 300.0) -> Any:
    """The first true answer; fails with the last one."""
    end = time.monotonic() + seconds
    while not (answer := _try(ask)) and time.monotonic() < end:
        time.sleep(0.1)
    assert answer, f"not true within {seconds} s; the last answer was {answer!r}"
    return answer


def _try(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except requests.RequestException:
        return None


@dataclass
class Bridge:
    """`bridge serve` against the sandbox."""

    folder: Path
    environment: Mapping[str, str]
    config: Path = ROOT / "routes.yaml"
    port: int = field(default_factory=free_port)
    database: str = ""  #: SQLite in the folder, if empty
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.folder}/bridge.db"

    def start(self) -> None:
        command = [sys.executable, "-m", "bridge", "serve", "--config", str(self.config)]
        command += ["--database", self.database_url, "--listen", f"127.0.0.1:{self.port}"]
        with (self.folder / "bridge.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **self.environment}, stdout=log, stderr=log
            )
        eventually(self.ready)

    def ready(self) -> bool:
        return requests.get(f"{self.url}/-/ready", timeout=60).status_code == 200

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(300)

    @contextlib.contextmanager
    def paused_worker(self) -> Iterator[None]:
        """Stops the worker until the end of the block, at a moment when it does not hold the lock of the store."""
        (worker,) = self.pids("worker")
        os.kill(worker, signal.SIGSTOP)
        try:
            while not self._lock_is_free():
                os.kill(worker, signal.SIGCONT)
                time.sleep(0.02)
                os.kill(worker, signal.SIGSTOP)
            yield
        finally:
            os.kill(worker, signal.SIGCONT)

    def _lock_is_free(self) -> bool:
        for suffix in (".turn", ".lock"):
            with (self.folder / f"bridge.db{suffix}").open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
        return True

    def pids(self, half: str) -> list[int]:
        """Of the children that run `bridge web` or `bridge worker`."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children if half.encode() in _arguments(int(pid))]

    def kill(self, half: str) -> None:
        for pid in self.pids(half):
            os.kill(pid, signal.SIGKILL)

    def kill_everything(self) -> None:
        assert self.process is not None
        pids = [*self.pids("web"), *self.pids("worker")]
        self.process.kill()
        self.process.wait()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def incidents(self) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url}/api/v1/incidents?limit=1000", timeout=60).json()
        return list(answer["incidents"])

    def log(self) -> str:
        return (self.folder / "bridge.log").read_text()


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return []


def unhurried(folder: Path) -> Path:
    """The shipped routes with a budget for context that a loaded machine keeps, too."""
    text, budget = (ROOT / "routes.yaml").read_text(), "  budget: 1.5s\n"
    assert budget in text
    config = folder / "routes.yaml"
    config.write_text(text.replace(budget, "  budget: 20s\n  query_timeout: 20s\n"))
    return config


@contextlib.contextmanager
def running_bridge(
    folder: Path,
    sandbox: RunningSandbox,
    token: str,
    config: Path = ROOT / "routes.yaml",
    *,
    port: int = 0,
    **more: str,
) -> Iterator[Bridge]:
    environment = {**sandbox.environment(token), **more}
    bridge = Bridge(folder, environment, config, port or free_port())
    try:
        bridge.start()
        yield bridge
    finally:
        bridge.stop()


CONFIGURATION = """
route:
  receiver: bridge
  group_by: [alertname, job]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 1h
  routes:
    - {{matchers: [severity="critical"], receiver: bridge, group_by: [alertname, job]}}
receivers:
  - name: bridge
    webhook_configs:
      - url: {url}/webhook/alertmanager/prod
        send_resolved: true
        max_alerts: {max_alerts}
        http_config: {{authorization: {{credentials_file: {token_file}}}}}
"""


@contextlib.contextmanager
def running_alertmanager(
    folder: Path,
    bridge_url: str,
    token: str,
    *more: str,
    port: int | None = None,
    max_alerts: int = 0,
    configuration: str = CONFIGURATION,
) -> Iterator[str]:
    """Its URL. `more` are arguments, for instance of a cluster."""
    folder.mkdir(parents=True, exist_ok=True)
    token_file = folder / "token"
    token_file.write_text(token)
    config = folder / "alertmanager.yml"
    config.write_text(configuration.format(url=bridge_url, token_file=token_file, max_alerts=max_alerts))
    port = port or free_port()
    arguments = list(more) or ["--cluster.listen-address="]
    binary = find("alertmanager")
    command = [str(binary), f"--config.file={config}", f"--storage.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", *arguments]
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=working_folder(binary))
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: requests.get(f"{url}/-/ready", timeout=60).ok)
        yield url
    finally:
        process.terminate()
        process.wait(300)


def fire(alertmanager: str, name: str, severity: str, **labels: str) -> None:
    _post(alertmanager, name, severity, timedelta(hours=1), labels)


def end(alertmanager: str, name: str, severity: str, **labels: str) -> None:
    _post(alertmanager, name, severity, timedelta(seconds=-1), labels)


def _post(alertmanager: str, name: str, severity: str, ends: timedelta, labels: Mapping[str, str]) -> None:
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": f"{name} is wrong"},
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now + ends).isoformat(),
    }
    requests.post(f"{alertmanager}/api/v2/alerts", json=[alert], timeout=60).raise_for_status()


def sandbox_environment(sandbox: RunningSandbox, token: str) -> dict[str, str]:
    """What a bridge needs to notify the sandbox, with keys and tokens of its own."""
    http, smtp = (int(address.rpartition(":")[2]) for address in (sandbox.http_url, sandbox.smtp_address))
    secret = {"SLACK_BOT_TOKEN": f"xoxb-{secrets.token_hex(12)}", "PAGERDUTY_ROUTING_KEY": secrets.token_hex(16)}
    return {**render.environment(Ports(sandbox=http, smtp=smtp)), **secret, "ALERTMANAGER_TOKEN": token}
