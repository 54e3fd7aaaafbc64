"""One event, one mail, one post that a vendor never takes, however often it is tried: all others go out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import Bridge, eventually, running_bridge

pytestmark = pytest.mark.timeout(300)

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
route:
  notify: [chat]
  routes:
    - {matchers: [to="pager"], notify: [pager], fallback: [mail]}
    - {matchers: [to="mail"], notify: [mail]}
incidents: {fallback_after: 1h}
"""
POISONED = 50
#: How each vendor fails for ever for what is about `Poisoned`; the rest it takes.
REFUSES: dict[str, dict[str, Any]] = {
    "pager": {"target": "pagerduty", "kind": "status", "status": 500},
    "chat": {"target": "slack", "kind": "status", "status": 500},
    "mail": {"target": "smtp", "kind": "smtp_reply", "code": 451},
}
WAYS = {"refuses": {}, "resets": {"kind": "reset"}, "hangs": {"kind": "hang"}}


@pytest.fixture
def bridge(tmp_path: Path, token: str, sandbox: RunningSandbox) -> Iterator[Bridge]:
    config = tmp_path / "routes.yaml"
    config.write_text(CONFIG)
    with running_bridge(tmp_path, sandbox, token, config) as bridge:
        yield bridge


@pytest.fixture
def post(bridge: Bridge, token: str) -> Callable[[str, str], None]:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"

    def fire(name: str, channel: str) -> None:
        labels = {"alertname": name, "severity": "critical", "to": channel}
        body = {
            "version": "4", "groupKey": name, "status": "firing", "receiver": "bridge", "groupLabels": labels,
            "commonLabels": labels, "commonAnnotations": {}, "externalURL": "http://127.0.0.1",
            "alerts": [{
                "status": "firing", "labels": labels, "annotations": {"summary": f"{name} is wrong"},
                "generatorURL": "", "fingerprint": name, "startsAt": "2026-03-01T12:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z",
            }],
        }  # fmt: skip
        answer = session.post(f"{bridge.url}/webhook/alertmanager/prod", json=body, timeout=60)
        assert answer.status_code == 200, answer.text

    return fire


def shown(sandbox: RunningSandbox, channel: str) -> str:
    """Everything that a vendor shows."""
    state = sandbox.state
    return str({"pager": state["pagerduty"]["incidents"], "chat": state["slack"], "mail": state["mail"]}[channel])


def tries(bridge: Bridge, number: int) -> dict[str, Any]:
    found = requests.get(f"{bridge.url}/api/v1/incidents/{number}", timeout=10).json()["deliveries"]
    return dict(found[0])


@pytest.mark.parametrize(
    ("channel", "way"),
    [("pager", "refuses"), ("pager", "resets"), ("pager", "hangs"), ("chat", "resets"), ("mail", "refuses")],
)
def test_one_that_fails_for_ever_delays_no_other(
    bridge: Bridge, sandbox: RunningSandbox, post: Callable[[str, str], None], channel: str, way: str
) -> None:
    sandbox.fault(**{**REFUSES[channel], **WAYS[way], "about": "Poisoned"})
    post("Poisoned", channel)
    eventually(lambda: tries(bridge, 1)["attempts"] >= 2)
    for number in range(3):
        post(f"Healthy{number}", channel)
        eventually(lambda number=number: f"Healthy{number}" in shown(sandbox, channel), 30)  # type: ignore[misc]
        assert tries(bridge, 1)["status"] in ("pending", "sending")
    eventually(lambda: "it fails alone" in tries(bridge, 1)["why"], 60)
    sandbox.clear_faults()
    eventually(lambda: tries(bridge, 1)["status"] == "delivered", 150)
    assert "Poisoned" in shown(sandbox, channel)


@pytest.mark.parametrize("status", [429, 403])
def test_one_page_that_is_limited_or_forbidden_for_ever_delays_no_other(
    bridge: Bridge, sandbox: RunningSandbox, post: Callable[[str, str], None], status: int
) -> None:
    """As what filters requests on their way would answer for one body, for ever."""
    sandbox.fault(target="pagerduty", kind="status", status=status, retry_after=3600, about="Poisoned")
    for number in range(2):
        post(f"Poisoned{number}", "pager")
    eventually(lambda: all(tries(bridge, number)["attempts"] for number in (1, 2)), 60)
    for number in range(3):
        post(f"Healthy{number}", "pager")
        eventually(lambda number=number: f"Healthy{number}" in shown(sandbox, "pager"), 30)  # type: ignore[misc]
    assert "Poisoned" not in shown(sandbox, "pager")


@pytest.mark.parametrize("way", WAYS)
def test_fifty_pages_that_fail_for_ever_delay_a_healthy_one_by_seconds(
    bridge: Bridge, sandbox: RunningSandbox, post: Callable[[str, str], None], way: str
) -> None:
    sandbox.fault(**{**REFUSES["pager"], **WAYS[way], "about": "Poisoned"})
    for number in range(POISONED):
        post(f"Poisoned{number}", "pager")
    eventually(lambda: tries(bridge, 1)["attempts"] >= 1)
    for number in range(3):
        post(f"Healthy{number}", "pager")
        eventually(lambda number=number: f"Healthy{number}" in shown(sandbox, "pager"), 30)  # type: ignore[misc]
    assert "Poisoned" not in shown(sandbox, "pager")
    if way == "hangs":  # each try of fifty takes its time, so it takes long until each was tried often enough
        return
    # Others get through again and again between its tries: it is as good as refused, so no channel waits for an hour.
    healthy = iter(range(3, 1000))

    def fallen_back() -> bool:
        post(f"Healthy{next(healthy)}", "pager")
        return "Poisoned" in shown(sandbox, "mail")

    eventually(fallen_back, 200)
    assert "does not take it, and takes others" in shown(sandbox, "mail")
