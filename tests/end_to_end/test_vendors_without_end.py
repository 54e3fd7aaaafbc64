"""The real bridge while all three vendors answer without end, and when they are well again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import ROOT, Bridge, eventually, running_bridge

pytestmark = pytest.mark.timeout(240)

PAGES = 12
MEGABYTES = 350  #: of a worker; it takes 120 or so by itself
CHANGED = {
    "    timeout: 10s\n": "    timeout: 2s\n",
    "    rate: 120/m ": "    rate: unlimited ",
    "    rate: 1/s ": "    timeout: 2s\n    rate: 20/s ",
    "    from: ${SMTP_FROM": "    timeout: 2s\n    from: ${SMTP_FROM",
    "      fallback: [email-ml] ": "      fallback_after: 1h ",
}


@pytest.fixture
def hasty(tmp_path: Path, sandbox: RunningSandbox, token: str) -> Iterator[Bridge]:
    """The shipped routes, with shorter timeouts for vendors."""
    text = (ROOT / "routes.yaml").read_text()
    for shipped, changed in CHANGED.items():
        assert shipped in text
        text = text.replace(shipped, changed)
    config = tmp_path / "routes.yaml"
    config.write_text(text)
    with running_bridge(tmp_path, sandbox, token, config) as bridge:
        yield bridge


def post(bridge: Bridge, token: str, name: str, severity: str) -> None:
    labels = {"alertname": name, "severity": severity}
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
    answer = requests.post(f"{bridge.url}/webhook/alertmanager/prod", json=body, headers=headers, timeout=10)
    assert answer.status_code == 200, answer.text


def peak(bridge: Bridge) -> int:
    """Of the worker's memory, in kB."""
    (pid,) = bridge.pids("worker")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def seen(sandbox: RunningSandbox) -> tuple[int, int, int]:
    summary = sandbox.summary
    return len(sandbox.state["pagerduty"]["incidents"]), len(sandbox.state["mail"]), summary["slack"]["messages"]


def test_what_blocked_every_thread_blocks_none_once_it_is_over(
    hasty: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    """As many answers without end as each channel has sends under way; they go on while new ones are good."""
    sandbox.fault(target="pagerduty", kind="continue", count=8)
    sandbox.fault(target="slack", kind="endless", count=4)
    sandbox.fault(target="smtp", kind="endless", at="ehlo", count=4)
    for number in range(PAGES):
        post(hasty, token, f"Critical{number}", "critical")
        post(hasty, token, f"Warning{number}", "warning")
        post(hasty, token, f"Info{number}", "info")
    eventually(lambda: seen(sandbox) == (PAGES, PAGES, PAGES), 120)
    assert peak(hasty) < MEGABYTES * 1024
    assert requests.get(f"{hasty.url}/-/ready", timeout=10).status_code == 200
    assert not [line for line in hasty.log().splitlines() if "send_bug" in line]
