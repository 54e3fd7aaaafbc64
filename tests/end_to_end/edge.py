"""What stands at the bridge's edge, on loopback: one `bridge web` process, and a real nginx in front of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from dev.stack.binaries import find
from dev.stack.free_port import free_port
from tests.end_to_end.machines import ROOT, eventually

CHANNEL = """
channels: {chat: {type: email, smarthost: "127.0.0.1:9", from: a@x.org, to: [b@x.org], tls: none}}
route: {notify: [chat]}
"""
TOKEN = "am-token-0123456789"
SOURCE = 'sources: [{name: prod, tokens: ["${TOKEN}"]}]\n'
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ALERT = {"status": "firing", "labels": {"alertname": "A", "severity": "info"}, "startsAt": "2026-11-23T08:34:20Z"}
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def notification(key: str = "key", alerts: int = 1, padding: int = 0) -> dict[str, Any]:
    """As Alertmanager sends it; padding: characters in each alert's annotation."""
    several = [
        {**ALERT, "labels": {**ALERT["labels"], "pod": f"p{number}"}, "annotations": {"summary": "x" * padding}}  # type: ignore[dict-item]
        for number in range(alerts)
    ]
    return {"version": "4", "groupKey": key, "receiver": "r", "alerts": several}


@dataclass
class Web:
    """One `bridge web` on SQLite in the folder."""

    folder: Path
    yaml: str
    files: int | None = None  #: how many it may have open, soft and hard
    soft_files: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"  #: where it listens; it is always asked at 127.0.0.1
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "routes.yaml"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        self.config.write_text(self.yaml)
        command = [sys.executable, "-m", "bridge", "web", "--config", str(self.config)]
        command += ["--listen", f"{self.host}:{self.port}", "--database", f"sqlite:///{self.folder}/bridge.db"]
        if self.files is not None:
            command = ["prlimit", f"--nofile={self.soft_files or self.files}:{self.files}", *command]
        environment = {**os.environ, "TOKEN": TOKEN, **self.environment}
        with (self.folder / "web.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        eventually(lambda: requests.get(f"{self.url}/-/healthy", timeout=5).ok)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(40)

    def reload(self, yaml: str) -> None:
        """By SIGHUP, and wait until it is done."""
        done = len(self.events("reloaded"))
        self.config.write_text(yaml)
        os.kill(self.pid, signal.SIGHUP)
        eventually(lambda: len(self.events("reloaded")) > done)

    def log(self) -> str:
        return (self.folder / "web.log").read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def memory(self) -> int:
        """Resident MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) // 1024

    def peak_memory(self) -> int:
        """The highest since the start, or since forget_peak()."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) // 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS

    def post(self, key: str = "key", *, headers: Mapping[str, str] = BEARER, timeout: float = 30) -> int:
        body = notification(key)
        return requests.post(
            f"{self.url}/webhook/alertmanager", json=body, headers=headers, timeout=timeout
        ).status_code

    def connect(self, timeout: float = 30) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def count(self, name: str, **labels: str) -> float:
        """A metric's value; 0 when it is not there."""
        text = requests.get(f"{self.url}/metrics", timeout=10).text
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = [line for line in text.splitlines() if line.startswith(name) and all(each in line for each in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


@contextlib.contextmanager
def running_web(folder: Path, yaml: str, **more: Any) -> Iterator[Web]:
    web = Web(folder, yaml, **more)
    try:
        web.start()
        yield web
    finally:
        web.stop()


NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_max_body_size 64m;
  client_body_temp_path {folder}/client; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {upstream}; {settings} }}
  }}
}}
"""


@contextlib.contextmanager
def running_nginx(folder: Path, upstream: str, settings: str = "") -> Iterator[str]:
    """Its URL. `settings`: what stands beside proxy_pass."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, upstream=upstream, settings=settings))
    command = [str(find("nginx")), "-e", "stderr", "-p", str(folder), "-c", str(config)]
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: requests.get(f"{url}/-/healthy", timeout=5).ok)
        yield url
    finally:
        process.terminate()
        process.wait(60)
