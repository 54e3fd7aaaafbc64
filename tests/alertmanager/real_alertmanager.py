"""Real Alertmanagers with the shipped configuration, and a stand-in receiver that records their requests."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from dev.stack import binaries, render
from dev.stack.free_port import free_port
from dev.stack.places import Places
from dev.stack.ports import Ports
from dev.stack.speed import Tempo
from tests.end_to_end.machines import eventually

TOKEN, ROUTING_KEY = "token-of-the-bridge", "a" * 32


@dataclass
class Receivers:
    """Bridge and PagerDuty at one address: each request as (path, headers, body)."""

    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    port: int = 0

    @property
    def webhooks(self) -> list[dict[str, Any]]:
        return [body for path, _, body in self.requests if path == "/webhook/alertmanager/prod"]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [body for path, _, body in self.requests if path == "/v2/enqueue"]

    def alert_names(self) -> list[str]:
        """The name of every alert sent to the bridge, repetitions included."""
        return [alert["labels"]["alertname"] for body in self.webhooks for alert in body["alerts"]]


@contextlib.contextmanager
def running_receivers() -> Iterator[Receivers]:
    kept = Receivers()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            kept.requests.append((self.path, dict(self.headers), body))
            answer = json.dumps({"status": "success"}).encode()
            self.send_response(202 if self.path == "/v2/enqueue" else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing: the requests are recorded."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def configuration(folder: Path, receivers: Receivers) -> Path:
    """The shipped file with the receivers' addresses and secret files, every group collected for one second."""
    places = Places(folder / ".run")
    places.create()
    (places.secrets / "alertmanager_token").write_text(TOKEN)
    (places.secrets / "pagerduty_routing_key").write_text(ROUTING_KEY)
    ports = Ports(bridge=receivers.port, sandbox=receivers.port)
    text = render.replaced(render.ALERTMANAGER, render.alertmanager(ports, places, Tempo(1)))
    text = re.sub(r"group_interval: \w+", "group_interval: 2s", re.sub(r"group_wait: \w+", "group_wait: 1s", text))
    file = folder / "alertmanager.yml"
    file.write_text(text)
    return file


def dedup_checks(alertmanager: str) -> float:
    """How often it has looked up whether a group was notified already: once per group in each group_interval."""
    metrics = requests.get(f"{alertmanager}/metrics", timeout=60).text
    (line,) = [line for line in metrics.splitlines() if line.startswith("alertmanager_nflog_queries_total ")]
    return float(line.rpartition(" ")[2])


@dataclass
class Alertmanager:
    url: str

    def post(self, *alerts: dict[str, str], firing: bool = True, began: timedelta = timedelta(minutes=1)) -> None:
        """Fire or resolve them; `began`: how long ago they started."""
        now = datetime.now(UTC)
        times = {
            "startsAt": (now - began).isoformat(),
            "endsAt": (now + (timedelta(hours=1) if firing else timedelta(seconds=-1))).isoformat(),
        }
        body = [{"labels": labels, "annotations": {"summary": "it is wrong"}, **times} for labels in alerts]
        requests.post(f"{self.url}/api/v2/alerts", json=body, timeout=60).raise_for_status()

    def muted(self) -> dict[str, bool]:
        """Each firing alert by name, and whether another one inhibits it."""
        found = requests.get(f"{self.url}/api/v2/alerts", timeout=60).json()
        return {alert["labels"]["alertname"]: bool(alert["status"]["inhibitedBy"]) for alert in found}

    def peers(self) -> int:
        cluster = requests.get(f"{self.url}/api/v2/status", timeout=60).json()["cluster"]
        return len(cluster.get("peers", ()))


@contextlib.contextmanager
def running_alertmanager(folder: Path, config: Path, *cluster: str) -> Iterator[Alertmanager]:
    """Alone, unless `cluster` has the arguments of a pair."""
    folder.mkdir(parents=True, exist_ok=True)
    binary, listen = binaries.find("alertmanager"), f"127.0.0.1:{free_port()}"
    command = [str(binary), f"--config.file={config}", f"--storage.path={folder / 'data'}"]
    command += [f"--web.listen-address={listen}", *(cluster or ("--cluster.listen-address=",))]
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=binaries.working_folder(binary))
    try:
        eventually(lambda: requests.get(f"http://{listen}/-/ready", timeout=60).ok)
        yield Alertmanager(f"http://{listen}")
    finally:
        process.terminate()
        process.wait(300)
