"""Many incidents that end within 80 ms of their beginning: afterwards every mailbox, thread and page shows the end.

An end that comes while a worker reads what it has claimed must be a message of its own, later and of a newer revision.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import Bridge, eventually, running_bridge

pytestmark = pytest.mark.timeout(600)

INCIDENTS, LONGEST = 200, 0.08
CONFIG = """
sources: [{name: prod, tokens: ["${ALERTMANAGER_TOKEN}"]}]
channels:
  pager: {type: pagerduty, routing_key: "${PAGERDUTY_ROUTING_KEY}", base_url: "${PAGERDUTY_BASE_URL}", rate: unlimited}
  chat:
    {type: slack, token: "${SLACK_BOT_TOKEN}", channel: C012ABCDEF, base_url: "${SLACK_BASE_URL}", rate: unlimited}
  mail:
    type: email
    smarthost: "${SMTP_SMARTHOST}"
    tls: none
    from: bridge@example.org
    to: [ml@example.org]
    rate: unlimited
route: {notify: [pager, chat, mail]}
"""


@pytest.fixture
def bridge(tmp_path: Path, token: str, sandbox: RunningSandbox) -> Iterator[Bridge]:
    config = tmp_path / "routes.yaml"
    config.write_text(CONFIG)
    with running_bridge(tmp_path, sandbox, token, config) as bridge:
        yield bridge


def post(session: requests.Session, bridge: Bridge, number: int, *, over: bool) -> None:
    status, labels = "resolved" if over else "firing", {"alertname": f"Brief{number}", "severity": "critical"}
    body = {
        "version": "4", "groupKey": f"brief {number}", "status": status, "receiver": "bridge",
        "groupLabels": {"alertname": labels["alertname"]}, "commonLabels": labels, "commonAnnotations": {},
        "externalURL": "http://127.0.0.1",
        "alerts": [{
            "status": status, "labels": labels, "annotations": {"summary": f"Brief{number} is wrong"},
            "generatorURL": "", "fingerprint": f"brief{number}", "startsAt": "2026-03-01T12:00:00Z",
            "endsAt": "2026-03-01T12:30:00Z" if over else "0001-01-01T00:00:00Z",
        }],
    }  # fmt: skip
    answer = session.post(f"{bridge.url}/webhook/alertmanager/prod", json=body, timeout=60)
    assert answer.status_code == 200, answer.text


def come_and_go(bridge: Bridge, token: str) -> None:
    chance = random.Random(7)
    lengths = [chance.uniform(0, LONGEST) for _ in range(INCIDENTS)]

    def some(first: int) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {token}"
            for number in range(first, INCIDENTS, 4):
                post(session, bridge, number, over=False)
                time.sleep(lengths[number])
                post(session, bridge, number, over=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(some, range(4)))


def settled(bridge: Bridge) -> bool:
    """Every incident has ended, and no channel waits for anything."""
    numbers = [each["number"] for each in bridge.incidents()]
    found = [requests.get(f"{bridge.url}/api/v1/incidents/{number}", timeout=10).json() for number in numbers]
    statuses = {each["status"] for incident in found for each in incident["deliveries"]}
    return {each["state"] for each in found} == {"resolved"} and statuses <= {"delivered", "skipped"}


def wrong_mails(state: dict[str, Any]) -> list[str]:
    """Mailboxes whose newest mail does not show the end, and mails that came again with other words."""
    newest: dict[str, str] = {}
    for mail in state["mail"]:
        newest[mail["subject"]] = dict(mail["headers"])["X-Alert-Status"]
    wrong = [f"{subject}: last {status}" for subject, status in newest.items() if status != "resolved"]
    return wrong + [f"{mail['subject']}: altered" for mail in state["mail"] if mail["altered_copies"]]


def wrong_threads(state: dict[str, Any]) -> list[str]:
    posts = [post for channel in state["slack"]["channels"].values() for post in channel["messages"]]
    fired = [post for post in posts if not post["text"].startswith("Resolved")]
    endless = [post for post in posts if "every alert has ended" not in str(post["thread"])]
    return [*(f"{post['text']}: not edited" for post in fired), *(f"{post['text']}: no end" for post in endless)]


def wrong_pages(state: dict[str, Any]) -> list[str]:
    return [str(page["summary"]) for page in state["pagerduty"]["incidents"] if page["status"] != "resolved"]


def test_what_ends_at_once_is_shown_as_over_everywhere(bridge: Bridge, sandbox: RunningSandbox, token: str) -> None:
    come_and_go(bridge, token)
    eventually(lambda: settled(bridge), 300)
    state = sandbox.state
    assert state["mail"]
    assert (wrong_mails(state), wrong_threads(state), wrong_pages(state)) == ([], [], [])


@pytest.mark.parametrize("fault", [{"kind": "malformed", "processed": True}, {"kind": "accept_then_reset"}])
def test_a_thread_has_its_end_though_the_answer_to_its_first_message_was_lost(
    bridge: Bridge, sandbox: RunningSandbox, token: str, fault: dict[str, Any]
) -> None:
    """Its message is found by what it carries, edited, and shows the end as any other."""
    sandbox.fault(target="slack", path="chat.postMessage", **fault)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        post(session, bridge, 1, over=False)
        eventually(lambda: '"delivery_failed"' in bridge.log())
        post(session, bridge, 1, over=True)
    sandbox.clear_faults()
    eventually(lambda: settled(bridge), 300)
    assert wrong_threads(sandbox.state) == []
    ((message,),) = (channel["messages"] for channel in sandbox.state["slack"]["channels"].values())
    assert [reply["text"] for reply in message["thread"]] == ["• every alert has ended"]
