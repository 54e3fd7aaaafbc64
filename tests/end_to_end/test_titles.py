"""Groups without an alertname: what responders read still names the alerts, and mails stay one conversation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import CONFIGURATION, Bridge, end, eventually, fire, running_alertmanager

pytestmark = pytest.mark.timeout(180)
ROUTES = """
  routes:
    - {{matchers: [severity="critical"], receiver: bridge, group_by: [alertname, job]}}
"""


@pytest.fixture(params=["[namespace]", "[page]", "[]"])
def alertmanager(request: Any, tmp_path: Path, bridge: Bridge, token: str) -> Iterator[str]:
    assert ROUTES in CONFIGURATION
    configuration = CONFIGURATION.replace(ROUTES, "\n").replace("[alertname, job]", request.param)
    with running_alertmanager(tmp_path / "alertmanager", bridge.url, token, configuration=configuration) as url:
        yield url


def test_a_group_is_named_by_its_alerts_and_its_mails_keep_their_subject(
    alertmanager: str, bridge: Bridge, sandbox: RunningSandbox
) -> None:
    place = {"namespace": "ml", "job": "toxicity-api", "page": "true"}

    def mails() -> list[dict[str, Any]]:
        return list(sandbox.state["mail"])

    fire(alertmanager, "ToxicityApiLatency", "warning", **place)
    eventually(mails)
    fire(alertmanager, "ToxicityApiErrors", "critical", **place)
    eventually(lambda: len(mails()) == 2 and sandbox.state["pagerduty"]["incidents"])
    (incident,) = bridge.incidents()
    assert incident["title"].startswith("2 alerts: ToxicityApiErrors and ToxicityApiLatency (ml")
    (page,) = sandbox.state["pagerduty"]["incidents"]
    assert "ToxicityApiErrors is wrong" in str(page) and incident["title"] in str(page)
    end(alertmanager, "ToxicityApiErrors", "critical", **place)
    end(alertmanager, "ToxicityApiLatency", "warning", **place)
    eventually(lambda: len(mails()) == 3)
    (subject,) = {mail["subject"] for mail in mails()}
    assert subject.startswith("[#1 warning] ToxicityApiLatency (ml")
    assert len({mail["references"] for mail in mails()}) == 1
    first, second, third = mails()
    assert first["text"].startswith("Firing: ToxicityApiLatency is wrong")
    assert second["text"].startswith("2 alerts firing: ToxicityApiErrors is wrong")
    assert third["text"].startswith("Resolved after ")
