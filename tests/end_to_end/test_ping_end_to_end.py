"""The real worker calls a real URL outside, and stops when a message is late."""

from __future__ import annotations

from pathlib import Path

import requests

from dev.sandbox.running import RunningSandbox
from tests.clients.receiver import receiving
from tests.end_to_end.machines import ROOT, eventually, running_bridge
from tests.end_to_end.webhooks import post

PING = '\nping: {url: "${HEALTHCHECKS_URL}", every: 500ms, tell_failures: true}\n'


def test_the_outside_is_called_until_a_message_is_late_and_again_when_it_has_arrived(
    tmp_path: Path, sandbox: RunningSandbox, token: str
) -> None:
    text = (ROOT / "routes.yaml").read_text()
    assert "  overdue: 5m " in text
    config = tmp_path / "routes.yaml"
    config.write_text(text.replace("  overdue: 5m ", "  overdue: 2s ") + PING)
    with (
        receiving() as outside,
        running_bridge(tmp_path, sandbox, token, config, HEALTHCHECKS_URL=outside.url) as bridge,
    ):
        eventually(lambda: len(outside.heard) > 3)
        sandbox.fault(target="pagerduty", kind="outage")
        post(bridge, token, "ErrorsHigh")
        eventually(lambda: "/fail" in outside.paths())
        reason = outside.heard[-1][2]
        assert reason.startswith("overdue: messages are late: pagerduty-ml by")
        metrics = requests.get(f"{bridge.url}/metrics", timeout=60).text
        assert 'bridge_pings_total{outcome="ok"}' in metrics
        sandbox.clear_faults()
        eventually(lambda: outside.paths()[-1] == "")
        assert "s3cret-key" not in bridge.log() and '"ping_withheld"' in bridge.log()
