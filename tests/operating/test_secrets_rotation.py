"""A secret is rotated in a running bridge according to docs/operating.md: every sender and vendor stays served."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import ROOT, Bridge, eventually
from tests.end_to_end.webhooks import webhook

ONE_TOKEN = 'tokens: ["${ALERTMANAGER_TOKEN}"]'
TWO_TOKENS = 'tokens: ["${ALERTMANAGER_TOKEN}", "${ALERTMANAGER_TOKEN_NEW}"]'
NEW_TOKEN = 'tokens: ["${ALERTMANAGER_TOKEN_NEW}"]'
KEY_IN_ENVIRONMENT, KEY_IN_FILE = "routing_key: ${PAGERDUTY_ROUTING_KEY}", "routing_key_file: pagerduty_key"


def send(bridge: Bridge, token: str, number: int) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    endpoint = f"{bridge.url}/webhook/alertmanager/prod"
    return requests.post(endpoint, json=webhook(number), headers=headers, timeout=60).status_code


def routes(folder: Path, old: str, new: str) -> Path:
    text = (ROOT / "routes.yaml").read_text()
    assert old in text
    config = folder / "routes.yaml"
    config.write_text(text.replace(old, new))
    return config


def keys_used(sandbox: RunningSandbox) -> list[Any]:
    return [event["routing_key"] for event in sandbox.state["pagerduty"]["events"]]


def test_a_reload_applies_a_changed_key_file_of_a_vendor(tmp_path: Path, sandbox: RunningSandbox, token: str) -> None:
    old, new = secrets.token_hex(16), secrets.token_hex(16)
    key = tmp_path / "pagerduty_key"
    key.write_text(old)
    config = routes(tmp_path, KEY_IN_ENVIRONMENT, KEY_IN_FILE)
    bridge = Bridge(tmp_path, sandbox.environment(token), config)
    try:
        bridge.start()
        eventually(lambda: '"worker_ready"' in bridge.log())
        assert send(bridge, token, 1) == 200
        eventually(lambda: len(keys_used(sandbox)) == 1)
        key.write_text(new)
        assert requests.post(f"{bridge.url}/-/reload", timeout=60).json() == {"reloaded": True}
        assert send(bridge, token, 2) == 200
        eventually(lambda: len(keys_used(sandbox)) == 2)
        assert keys_used(sandbox) == [old, new]
        assert old not in bridge.log()
        assert new not in bridge.log()
    finally:
        bridge.stop()


def test_the_token_of_a_sender_is_rotated_with_both_valid_in_between(
    tmp_path: Path, sandbox: RunningSandbox, token: str
) -> None:
    new = secrets.token_hex(16)
    config = routes(tmp_path, ONE_TOKEN, TWO_TOKENS)
    bridge = Bridge(tmp_path, {**sandbox.environment(token), "ALERTMANAGER_TOKEN_NEW": new}, config)
    try:
        bridge.start()
        assert [send(bridge, token, 1), send(bridge, new, 2)] == [200, 200]
        routes(tmp_path, ONE_TOKEN, NEW_TOKEN)
        assert requests.post(f"{bridge.url}/-/reload", timeout=60).json() == {"reloaded": True}
        assert [send(bridge, token, 3), send(bridge, new, 4)] == [401, 200]
    finally:
        bridge.stop()
