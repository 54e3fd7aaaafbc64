"""What is written by a real `bridge serve`: every line in the format that was chosen, and which request it is about."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.end_to_end.machines import Bridge, eventually
from tests.operating.machines import bridge_command

pytestmark = pytest.mark.timeout(180)

SECRET = "t0p-secret-token"
ROUTES = """
channels: {chat: {type: email, smarthost: "127.0.0.1:9", from: a@x.org, to: [b@x.org], tls: none}}
route: {notify: [chat]}
sources: [{name: prod, tokens: ["${TOKEN}"]}]
"""
READABLE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warning|error) +[\w.]+: \S.*|    .*")


@dataclass
class Logged:
    bridge: Bridge
    config: Path
    read: int = field(default=0)

    def new(self) -> list[str]:
        """Lines since the last call."""
        lines = self.bridge.log().splitlines()
        new, self.read = lines[self.read :], len(lines)
        return new

    def write(self, more: str) -> None:
        self.config.write_text(ROUTES + more)

    def reload(self) -> requests.Response:
        assert self.bridge.process is not None
        return requests.post(f"{self.bridge.url}/-/reload", timeout=10)

    def send(self, request_id: str, token: str = SECRET, key: str = "k") -> int:
        alert = {"status": "firing", "labels": {"alertname": "A"}, "startsAt": "2026-11-23T08:34:20Z"}
        body = {"version": "4", "groupKey": key, "receiver": "r", "alerts": [alert]}
        headers = {"X-Request-Id": request_id, "Authorization": f"Bearer {token}"}
        url = f"{self.bridge.url}/webhook/alertmanager/prod"
        answer = requests.post(url, json=body, headers=headers, timeout=30)
        assert answer.headers["X-Request-Id"] == request_id
        return answer.status_code


def started(folder: Path, environment: dict[str, str], more: str = "") -> Logged:
    config = folder / "routes.yaml"
    logged = Logged(Bridge(folder, {"TOKEN": SECRET, **environment}, config), config)
    logged.write(more)
    logged.bridge.start()
    return logged


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Logged]:
    logged = started(tmp_path, {})
    try:
        eventually(lambda: "worker_ready" in logged.bridge.log())  # from here on, both listen to signals
        yield logged
    finally:
        logged.bridge.stop()


def parsed(line: str) -> dict[str, Any]:
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def kill_worker(bridge: Bridge) -> None:
    (before,) = bridge.pids("worker")
    bridge.kill("worker")
    eventually(lambda: [pid for pid in bridge.pids("worker") if pid != before])


def test_each_webhook_that_changed_something_is_one_line_with_its_request(logged: Logged) -> None:
    assert [logged.send("first"), logged.send("again"), logged.send("wrong", "guess")] == [200, 200, 401]
    lines = [parsed(line) for line in logged.new()]
    by_request = {line["request_id"]: line for line in lines if "request_id" in line}
    assert by_request.keys() == {"first", "wrong"}  # a repetition is no news
    logged_line = by_request["first"]
    assert tuple(logged_line[key] for key in ("event", "outcome", "incident", "source")) == (
        "webhook_accepted",
        "opened",
        1,
        "prod",
    )
    assert (by_request["wrong"]["event"], by_request["wrong"]["code"]) == ("webhook refused", 401)
    starts = [line for line in lines if line["logger"].startswith("alembic") or line["event"] == "schema_migrated"]
    assert [line["event"] for line in starts] == ["schema_migrated"]


def test_the_format_follows_a_reload_in_every_process_and_redacts_in_each(logged: Logged) -> None:
    bridge = logged.bridge
    kill_worker(bridge)
    eventually(lambda: bridge.log().count('"worker_ready"') == 2)
    logged.send(SECRET)
    assert all(map(parsed, logged.new()))
    logged.write("log: {level: debug, format: console}\n")
    assert logged.reload().ok
    eventually(lambda: bridge.log().count(": reloaded ") == 3)  # the web by its own, and by the signal to both
    logged.new()
    logged.send(SECRET, key="two")
    kill_worker(bridge)
    eventually(lambda: "worker_ready" in bridge.log().rpartition(": died ")[2])
    lines = logged.new()
    assert [line for line in lines if not READABLE.fullmatch(line)] == []
    assert {
        "supervisor: died",
        "supervisor: started",
        "bridge: worker_ready",
        "bridge.web.webhooks: webhook_accepted",
    } <= {" ".join(line.split()[2:4]) for line in lines}
    assert "request_id=[redacted]" in "\n".join(lines) and SECRET not in bridge.log()


def test_the_environment_comes_first_from_the_first_line_on(tmp_path: Path) -> None:
    environment = {"BRIDGE_LOG_FORMAT": "console", "BRIDGE_LOG_LEVEL": "warning"}
    logged = started(tmp_path, environment, "log: {level: debug, format: json}\n")
    try:
        logged.send("one")
        kill_worker(logged.bridge)
        eventually(lambda: "supervisor: died" in logged.bridge.log())
        assert logged.reload().ok
        lines = logged.new()
        assert [line for line in lines if not READABLE.fullmatch(line) or line.split()[1] in ("info", "debug")] == []
    finally:
        logged.bridge.stop()


def test_a_refused_reload_is_measured_in_both_processes_until_a_good_one(logged: Logged) -> None:
    bridge = logged.bridge

    def measured(outcome: str, gauge: float) -> bool:
        text = requests.get(f"{bridge.url}/metrics", timeout=10).text
        wanted = [f'bridge_config_last_reload_successful{{process="{half}"}} {gauge}' for half in ("web", "worker")]
        counted = [
            f'bridge_config_reloads_total{{outcome="{outcome}",process="{half}"}} 0.0' for half in ("web", "worker")
        ]
        return all(line in text for line in wanted) and not any(line in text for line in counted)

    eventually(partial(measured, "ok", 1.0))
    good = logged.config.read_text()
    logged.config.write_text("route: [")
    assert bridge.process is not None
    bridge.process.send_signal(signal.SIGHUP)
    eventually(partial(measured, "refused", 0.0))
    logged.config.write_text(good)
    bridge.process.send_signal(signal.SIGHUP)
    eventually(partial(measured, "ok", 1.0))


@pytest.mark.parametrize("name", ["BRIDGE_LOG_LEVEL", "BRIDGE_LOG_FORMAT"])
def test_a_word_that_is_none_ends_the_start_with_those_that_are(tmp_path: Path, name: str) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    words = ("web", "--config", str(tmp_path / "routes.yaml"), "--database", f"sqlite:///{tmp_path}/bridge.db")
    done = bridge_command(*words, environment={"TOKEN": SECRET, name: "loud"})
    assert done.returncode and f"{name} is 'loud': write" in done.stderr and "Traceback" not in done.stderr
