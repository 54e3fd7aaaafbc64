"""The real bridge when far more fires at once than Slack takes: one digest, and nothing lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from dev.stack.free_port import free_port
from tests.end_to_end.machines import Bridge, eventually, running_bridge
from tests.end_to_end.storm_webhooks import post

WARNINGS, CRITICALS, LASTING = 300, 8, 6
CONFIG = """
sources: [{{name: prod, tokens: ["${{ALERTMANAGER_TOKEN}}"]}}]
channels:
  slack-ml:
    {{type: slack, token: "${{SLACK_BOT_TOKEN}}", channel: C012ABCDEF, base_url: "${{SLACK_BASE_URL}}", rate: 2/s}}
route: {{notify: [slack-ml]}}
storm: {{patience: 6s, calm: 3s, update_every: 1s}}
external_url: {url}
"""


@pytest.fixture
def slow(tmp_path: Path, sandbox: RunningSandbox, token: str) -> Iterator[Bridge]:
    """Twelve messages are what Slack takes within the maximum delay; twenty that wait are a storm."""
    config, port = tmp_path / "routes.yaml", free_port()
    config.write_text(CONFIG.format(url=f"http://127.0.0.1:{port}"))
    with running_bridge(tmp_path, sandbox, token, config, port=port) as bridge:
        yield bridge


def post_many(bridge: Bridge, token: str, numbers: range, *, over: bool = False) -> None:
    """At once, as a cluster that falls over: every tenth name is another."""

    def part(first: int) -> None:
        for number in numbers[first::4]:
            post(bridge, token, "PodSlow" if number % 10 else "QueueLong", number, "warning", over=over)

    threads = [threading.Thread(target=part, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def messages(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    """Those of the channel, in the order in which they were posted; not the replies in their threads."""
    found = [each for channel in sandbox.state["slack"]["channels"].values() for each in channel["messages"]]
    return sorted(found, key=lambda message: float(message["ts"]))


def titles(sandbox: RunningSandbox) -> list[str]:
    return [title_of(message).split()[0] for message in messages(sandbox)]


def title_of(message: dict[str, Any]) -> str:
    """The header block's."""
    (attachment,) = message["attachments"]
    return str(attachment["blocks"][0]["text"]["text"])


def digest(sandbox: RunningSandbox) -> str:
    """The one there is, if there is one."""
    found = [message for message in messages(sandbox) if title_of(message) == "Storm on slack-ml"]
    assert len(found) <= 1
    return "".join(map(str, found))


def suppressed(bridge: Bridge) -> list[dict[str, Any]]:
    answer = requests.get(f"{bridge.url}/api/v1/incidents?channel=slack-ml&held=storm&limit=1000", timeout=60)
    return list(answer.json()["incidents"])


def storms(bridge: Bridge) -> dict[str, float]:
    metrics = requests.get(f"{bridge.url}/metrics", timeout=60).text.splitlines()
    found = [line.split() for line in metrics if line.startswith("bridge_storm_")]
    return {name.removesuffix('{channel="slack-ml"}'): float(value) for name, value in found}


def statuses(bridge: Bridge) -> Counter[str]:
    """How many deliveries of all incidents have each status."""
    numbers = [each["number"] for each in bridge.incidents()]
    pages = [requests.get(f"{bridge.url}/api/v1/incidents/{number}", timeout=60).json() for number in numbers]
    return Counter(delivery["status"] for page in pages for delivery in page["deliveries"])


def test_a_storm_is_one_digest_after_every_critical_and_ends_with_nothing_lost(
    slow: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    with slow.paused_worker():  # so that all is there before the first is notified
        for number in range(CRITICALS):
            post(slow, token, "ApiDown", number, "critical")
        post_many(slow, token, range(WARNINGS))

    eventually(lambda: f"{WARNINGS} incidents are suppressed on slack-ml" in digest(sandbox), 60)
    assert titles(sandbox) == [*("ApiDown" for _ in range(CRITICALS)), "Storm"]
    assert len(suppressed(slow)) == WARNINGS
    assert storms(slow) == {"bridge_storm_active": 1.0, "bridge_storm_collapsed": WARNINGS}
    page = requests.get(f"{slow.url}/incidents/{suppressed(slow)[0]['number']}", timeout=60).text
    assert "suppressed by the storm on slack-ml, reported in #" in page

    slow.kill_everything()
    slow.start()
    post_many(slow, token, range(LASTING, WARNINGS), over=True)
    eventually(lambda: len(messages(sandbox)) == CRITICALS + 1 + LASTING, 60)
    eventually(lambda: "is over" in digest(sandbox), 60)
    assert suppressed(slow) == []
    assert Counter({"ApiDown": CRITICALS, "PodSlow": LASTING - 1, "QueueLong": 1, "Storm": 1}) == Counter(
        titles(sandbox)
    )
    notified = CRITICALS + LASTING + 1
    eventually(lambda: Counter(delivered=notified, skipped=WARNINGS - LASTING) == statuses(slow), 60)
    assert f"{WARNINGS - LASTING} ended unnotified" in digest(sandbox)
    eventually(slow.ready)
