"""A changed routes.yaml, taken by the running processes; and a faulty one, refused by them."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from dev.stack import render
from dev.stack.ports import Ports
from tests.end_to_end.machines import ROOT, Bridge, eventually

SHIPPED_INFO = '    - matchers: [severity="info"]\n      notify: [slack-ml]\n'
NEW_CHANNEL = """channels:
  slack-new:
    type: slack
    token: ${SLACK_BOT_TOKEN}
    channel: "#elsewhere"
    base_url: ${SLACK_BASE_URL}

"""
HALVES = 2  # web and worker


@pytest.fixture
def changeable(tmp_path: Path, sandbox: RunningSandbox, token: str) -> Iterator[Bridge]:
    """The shipped routes in a file of their own."""
    text = (ROOT / "routes.yaml").read_text()
    assert SHIPPED_INFO in text and "channels:\n" in text
    config = tmp_path / "routes.yaml"
    config.write_text(text)
    bridge = Bridge(tmp_path, environment(sandbox, token), config)
    bridge.start()
    try:
        eventually(lambda: '"worker_ready"' in bridge.log())  # from here on, both have read the file
        yield bridge
    finally:
        bridge.stop()


def environment(sandbox: RunningSandbox, token: str) -> dict[str, str]:
    smtp = int(sandbox.smtp_address.rpartition(":")[2])
    ports = Ports(sandbox=urlsplit(sandbox.http_url).port or 0, smtp=smtp)
    tokens = {"ALERTMANAGER_TOKEN": token, "SLACK_BOT_TOKEN": f"xoxb-{token}", "PAGERDUTY_ROUTING_KEY": token}
    return {**render.environment(ports), **tokens}


def by_signal(bridge: Bridge) -> None:
    assert bridge.process is not None
    before = reloads(bridge)
    bridge.process.send_signal(signal.SIGHUP)
    eventually(lambda: reloads(bridge) >= before + HALVES)


def by_post(bridge: Bridge) -> None:
    answer = requests.post(f"{bridge.url}/-/reload", timeout=60)
    assert answer.status_code in (200, 400), answer.text


def reloads(bridge: Bridge) -> int:
    return len([line for line in bridge.log().splitlines() if '"reloaded"' in line or '"reload_refused"' in line])


both_ways = pytest.mark.parametrize("reload", [by_signal, by_post])
Reload = Callable[[Bridge], None]


def alert(bridge: Bridge, token: str, name: str) -> None:
    """An info alert, as Alertmanager sends it."""
    labels = {"alertname": name, "severity": "info"}
    body = {
        "version": "4", "groupKey": f'{{}}:{{alertname="{name}"}}', "status": "firing", "receiver": "bridge",
        "groupLabels": {"alertname": name}, "commonLabels": labels, "commonAnnotations": {},
        "externalURL": "http://127.0.0.1",
        "alerts": [{
            "status": "firing", "labels": labels, "annotations": {}, "generatorURL": "", "fingerprint": name,
            "startsAt": "2026-03-01T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
        }],
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{bridge.url}/webhook/alertmanager/prod", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


def posts(sandbox: RunningSandbox) -> dict[str, str]:
    """By Slack channel, everything that stands in it."""
    return {name: json.dumps(channel) for name, channel in sandbox.state["slack"]["channels"].items()}


def posted(sandbox: RunningSandbox, word: str) -> bool:
    return any(word in text for text in posts(sandbox).values())


@both_ways
def test_the_next_alert_takes_the_new_way_to_a_new_channel(
    changeable: Bridge, sandbox: RunningSandbox, token: str, reload: Reload
) -> None:
    alert(changeable, token, "OldWay")
    eventually(lambda: posted(sandbox, "OldWay"))
    old = changeable.config.read_text()
    new = old.replace(SHIPPED_INFO, SHIPPED_INFO.replace("slack-ml", "slack-new")).replace(
        "channels:\n", NEW_CHANNEL, 1
    )
    changeable.config.write_text(new)
    reload(changeable)
    alert(changeable, token, "NewWay")
    eventually(lambda: posted(sandbox, "NewWay"))
    by_channel = [("OldWay" in text, "NewWay" in text) for text in posts(sandbox).values()]
    assert sorted(seen for seen in by_channel if any(seen)) == [(False, True), (True, False)]
    assert changeable.ready()


TYPO = ("notify: [email-ml]", "notify: [emial-ml]")
FAULTY: dict[str, Callable[[str], str]] = {
    "no channel named 'emial-ml'; did you mean 'email-ml'?": lambda text: text.replace(*TYPO),
    "this is not YAML": lambda text: f"{text}\nroute: [",
    "the file is empty": lambda text: "",
}


@both_ways
def test_a_faulty_file_is_refused_with_the_reason_and_the_old_way_stays(
    changeable: Bridge, sandbox: RunningSandbox, token: str, reload: Reload
) -> None:
    good = changeable.config.read_text()
    for number, (why, spoil) in enumerate(FAULTY.items()):
        changeable.config.write_text(spoil(good))
        reload(changeable)
        assert why in last_refusal(changeable)
        alert(changeable, token, f"OldWay{number}")
        eventually(partial(posted, sandbox, f"OldWay{number}"))
    changeable.config.write_text(good)
    assert requests.post(f"{changeable.url}/-/reload", timeout=60).json() == {"reloaded": True}


def last_refusal(bridge: Bridge) -> str:
    return [line for line in bridge.log().splitlines() if '"reload_refused"' in line][-1]


def test_the_answer_to_a_faulty_file_names_it_with_its_line(changeable: Bridge) -> None:
    changeable.config.write_text(changeable.config.read_text().replace(*TYPO))
    answer = requests.post(f"{changeable.url}/-/reload", timeout=60)
    body = answer.json()
    assert (answer.status_code, body["error"]) == (
        400,
        "the new configuration has faults; the old one stays in force",
    )
    lines = changeable.config.read_text().splitlines()
    wrong = 1 + next(number for number, line in enumerate(lines) if "emial-ml" in line)
    assert [fault.startswith(f"{changeable.config}:{wrong}: route.routes[") for fault in body["faults"]] == [True]


def test_a_half_that_dies_over_a_faulty_file_comes_back_when_the_file_is_mended(
    changeable: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    good = changeable.config.read_text()
    changeable.config.write_text("")
    changeable.kill("worker")
    alert(changeable, token, "Waiting")  # the web still takes in
    eventually(lambda: "the file is empty" in changeable.log())
    changeable.config.write_text(good)
    eventually(lambda: posted(sandbox, "Waiting"))
