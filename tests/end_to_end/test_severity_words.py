"""A severity in another word, or in another label, is shown and sorted as what it means, everywhere."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import Bridge, eventually, fire

pytestmark = pytest.mark.timeout(180)


def test_the_alias_page_is_critical_on_the_page_in_the_api_and_in_the_message(
    alertmanager: str, bridge: Bridge, sandbox: RunningSandbox
) -> None:
    """`page: critical` is an alias by default."""
    place = {"namespace": "ml", "job": "toxicity-api"}
    fire(alertmanager, "ToxicityApiErrors", "page", **place)

    def pages() -> list[dict[str, Any]]:
        return list(sandbox.state["pagerduty"]["incidents"])

    eventually(pages)
    (incident,) = bridge.incidents()
    shown = requests.get(f"{bridge.url}/api/v1/incidents/{incident['number']}", timeout=60).json()
    (alert,) = shown["alerts"]
    assert (shown["severity"], alert["severity"], alert["labels"]["severity"]) == ("critical", "critical", "page")
    assert '"severity": "critical"' in str(pages()).replace("'", '"')
    page = requests.get(f"{bridge.url}/incidents/{incident['number']}", timeout=60).text
    assert "unknown" not in page.split("<h2", 1)[0]
