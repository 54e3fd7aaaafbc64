"""What responders see: the pages, posts and mails that reached the sandbox's vendors."""

from __future__ import annotations

from typing import Any

import requests

from dev.sandbox.running import RunningSandbox


def pages(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return list(sandbox.state["pagerduty"]["incidents"])


def posts(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    channels = sandbox.state["slack"]["channels"]
    return [message for channel in channels.values() for message in channel["messages"]]


def mails(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return list(sandbox.state["mail"])


def settled(url: str) -> bool:
    """No delivery waits or is being sent by the bridge at this address: no channel is notified before a new change."""
    metrics = requests.get(f"{url}/metrics", timeout=60).text
    waiting = [line for line in metrics.splitlines() if line.startswith("bridge_deliveries_pending{")]
    return bool(waiting) and all(float(line.rpartition(" ")[2]) == 0 for line in waiting)
