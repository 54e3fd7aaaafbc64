"""A bridge whose storage gets into trouble, what is sent to it meanwhile, and what it says of itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.end_to_end.machines import Bridge

ROUTES = """
channels: {chat: {type: email, smarthost: "127.0.0.1:9", from: a@x.org, to: [b@x.org], tls: none}}
route: {notify: [chat]}
limits: {overdue: 1h}
"""


@dataclass
class Sender:
    """As Alertmanager: what was answered 200 need not be sent again."""

    bridge: Bridge
    accepted: set[str] = field(default_factory=set)

    def send(self, key: str, size: int = 1) -> int:
        alert = {"status": "firing", "labels": {"alertname": key}, "startsAt": "2026-11-23T08:34:20Z"}
        body = {
            "version": "4", "groupKey": key, "receiver": "r",
            "alerts": [{**alert, "annotations": {"description": "x" * size}}],
        }  # fmt: skip
        code = requests.post(f"{self.bridge.url}/webhook/alertmanager", json=body, timeout=60).status_code
        self.accepted |= {key} if code == 200 else set()
        return code


@contextlib.contextmanager
def started(folder: Path, database: str = "") -> Iterator[Bridge]:
    """By a shell that lets every user read what it creates."""
    (folder / "state").mkdir(mode=0o777)
    (folder / "routes.yaml").write_text(ROUTES)
    database = database or f"sqlite:///{folder}/state/bridge.db"
    bridge = Bridge(folder, {"TMPDIR": str(folder)}, folder / "routes.yaml", database=database)
    umask = os.umask(0)
    try:
        bridge.start()
        os.umask(umask)
        yield bridge
    finally:
        os.umask(umask)
        bridge.stop()


def readiness(bridge: Bridge) -> tuple[int, str]:
    answer = requests.get(f"{bridge.url}/-/ready", timeout=10)
    return answer.status_code, str(answer.json()["checks"]["store"]["why"])


def not_ready(bridge: Bridge, *words: str) -> bool:
    code, why = readiness(bridge)
    return code == 503 and all(word in why for word in words)


def gauge(bridge: Bridge, name: str) -> float:
    lines = requests.get(f"{bridge.url}/metrics", timeout=30).text.splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])
