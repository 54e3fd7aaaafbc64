"""The real bridge and a receiver of its webhooks that verifies signatures: state, duplicates, dead letters, a storm."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox, running_sandbox
from dev.stack.free_port import free_port
from tests.end_to_end.machines import Bridge, eventually, running_bridge
from tests.end_to_end.storm_webhooks import post

OLD, NEW = "5162a0d3b3b94a4ec2d1d3f6a5e8c7b9", "9f3c7a4be0d24a51b6c1f7e2d8a90c35"
CONFIG = """
sources: [{{name: prod, tokens: ["${{ALERTMANAGER_TOKEN}}"]}}]
channels:
  hook: {{type: webhook, url: "{url}", {secrets}, rate: 2/s}}
route: {{notify: [hook]}}
storm: {{patience: 6s, calm: 3s, update_every: 1s}}
external_url: http://127.0.0.1:{port}
"""


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(history=100_000, webhook_secrets=(OLD,)) as sandbox:
        yield sandbox


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox, token: str) -> Iterator[Bridge]:
    """While the secret is changed: the receiver knows the old one still."""
    config, port = tmp_path / "routes.yaml", free_port()
    both = 'secret: "${NEW}", previous_secret_file: old'
    (tmp_path / "old").write_text(OLD)
    config.write_text(CONFIG.format(url=sandbox.webhook_url, port=port, secrets=both))
    with running_bridge(tmp_path, sandbox, token, config, port=port, NEW=NEW) as bridge:
        yield bridge


def taken(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return list(sandbox.state["webhook"]["deliveries"])


def newest(sandbox: RunningSandbox) -> dict[str, Any]:
    found = taken(sandbox)
    return dict(found[-1]["body"]["incident"]) if found else {}


def acknowledge(bridge: Bridge, number: int) -> None:
    command = [sys.executable, "-m", "bridge", "incidents", "--config", str(bridge.config)]
    command += ["--database", bridge.database_url, "ack", str(number), "--as", "ada"]
    subprocess.run(command, env={**os.environ, **bridge.environment}, check=True, capture_output=True)


def test_a_receiver_follows_an_incident_and_a_lost_answer_is_a_duplicate(
    bridge: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    sandbox.fault(target="webhook", kind="accept_then_reset", count=1)
    post(bridge, token, "PodSlow", 1, "warning")
    eventually(lambda: taken(sandbox) and taken(sandbox)[0]["copies"] == 2)
    number = newest(sandbox)["number"]
    acknowledge(bridge, number)
    eventually(lambda: newest(sandbox)["state"] == "acknowledged")
    post(bridge, token, "PodSlow", 1, "warning", over=True)
    eventually(lambda: newest(sandbox)["state"] == "resolved")
    revisions = [each["body"]["incident"]["revision"] for each in taken(sandbox)]
    assert sorted(set(revisions)) == revisions
    assert all(each["signed"] for each in taken(sandbox))
    assert taken(sandbox)[-1]["body"]["status"] == "resolved"
    assert sandbox.state["webhook"]["refused"] == []
    assert not [secret for secret in (OLD, NEW) if secret in bridge.log()]


def test_what_it_refuses_for_good_is_a_dead_letter_that_says_why(
    bridge: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    sandbox.fault(target="webhook", kind="status", status=410, count=1)
    post(bridge, token, "PodSlow", 1, "warning")

    def letters() -> list[dict[str, Any]]:
        found = requests.get(f"{bridge.url}/api/v1/dead-letters", timeout=60).json()
        return list(found["dead_letters"])

    eventually(letters)
    assert "HTTP 410" in str(letters())


def test_a_storm_comes_as_one_digest(bridge: Bridge, sandbox: RunningSandbox, token: str) -> None:
    with bridge.paused_worker():  # so that all is there before the first is sent
        for number in range(40):
            post(bridge, token, "PodSlow", number, "warning")
    eventually(lambda: newest(sandbox).get("title") == "Storm on hook")
    assert "40" in newest(sandbox)["summary"]
