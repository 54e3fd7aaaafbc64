"""Google Cloud Monitoring and Grafana post to the real bridge, which notifies responders by the same routes."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import ROOT, Bridge, eventually

PAYLOADS = ROOT / "tests" / "sources" / "payloads"
SOURCES = """sources:
  - {name: gcp, type: cloud_monitoring, tokens: ["${GOOGLE_TOKEN}"]}
  - {name: grafana-ml, type: grafana, hmac_secret: "${GRAFANA_SECRET}", hmac_timestamp_header: X-Grafana-Alerting-Time}
"""


@pytest.fixture
def bridge(tmp_path: Path, sandbox: RunningSandbox) -> Iterator[Bridge]:
    """With the default routes, and these two sources beside Alertmanager."""
    config = tmp_path / "routes.yaml"
    config.write_text((ROOT / "routes.yaml").read_text().replace("sources:\n", SOURCES, 1))
    bridge = Bridge(tmp_path, environment(sandbox), config)
    bridge.start()
    yield bridge
    bridge.stop()


def environment(sandbox: RunningSandbox) -> Mapping[str, str]:
    tokens = {name: secrets.token_hex(16) for name in ("GOOGLE_TOKEN", "GRAFANA_SECRET")}
    return {**sandbox.environment(secrets.token_hex(16)), **tokens}


def google_sends(bridge: Bridge, name: str, **changes: Any) -> int:
    document = json.loads((PAYLOADS / f"cloud_monitoring_{name}.json").read_text())
    document["incident"] |= changes
    url = f"{bridge.url}/webhook/cloud-monitoring?auth_token={bridge.environment['GOOGLE_TOKEN']}"
    return requests.post(url, json=document, timeout=60).status_code


def grafana_sends(bridge: Bridge, name: str, at: float, secret: str | None = None) -> int:
    """As Grafana signs it at that time; the alert itself is the file's, started or ended just now."""
    document = json.loads((PAYLOADS / f"grafana_{name}.json").read_text())
    document["alerts"][0]["endsAt" if name == "resolved" else "startsAt"] = datetime.now(UTC).isoformat()
    body, stamp = json.dumps(document).encode(), str(int(at))
    key = secret or bridge.environment["GRAFANA_SECRET"]
    headers = {
        "Content-Type": "application/json",
        "X-Grafana-Alerting-Signature": hmac.new(key.encode(), f"{stamp}:".encode() + body, "sha256").hexdigest(),
        "X-Grafana-Alerting-Time": stamp,
    }
    return requests.post(f"{bridge.url}/webhook/grafana", data=body, headers=headers, timeout=60).status_code


def pages(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    return list(sandbox.state["pagerduty"]["incidents"])


def test_an_incident_of_cloud_monitoring_pages_and_its_close_resolves_the_page(
    bridge: Bridge, sandbox: RunningSandbox
) -> None:
    started = int(time.time()) - 300
    assert [google_sends(bridge, "open", started_at=started) for _ in range(2)] == [200, 200]
    eventually(lambda: pages(sandbox))
    assert "PodMemoryOOMRisk" in str(pages(sandbox)[0])
    assert google_sends(bridge, "closed", started_at=started, ended_at=int(time.time())) == 200
    eventually(lambda: pages(sandbox)[0]["status"] == "resolved")
    assert [page["pages"] for page in pages(sandbox)] == [1]
    (incident,) = bridge.incidents()
    assert (incident["state"], incident["source"]) == ("resolved", "gcp")


def test_what_google_calls_a_warning_goes_to_mail_and_its_test_to_chat(bridge: Bridge, sandbox: RunningSandbox) -> None:
    assert google_sends(bridge, "open", severity="Warning") == 200
    assert google_sends(bridge, "test") == 200
    eventually(lambda: sandbox.state["mail"] and sandbox.state["slack"]["channels"])
    assert "PodMemoryOOMRisk" in sandbox.state["mail"][0]["subject"]
    assert "Test incident of the notification channel" in str(sandbox.state["slack"]["channels"])
    assert pages(sandbox) == []


def test_a_signed_alert_of_grafana_pages_and_its_end_resolves_the_page(bridge: Bridge, sandbox: RunningSandbox) -> None:
    now = time.time()
    assert grafana_sends(bridge, "firing", now, secret="guessed") == 403
    assert grafana_sends(bridge, "firing", now - 3600) == 403
    assert grafana_sends(bridge, "firing", now) == 200
    eventually(lambda: pages(sandbox))
    assert "The toxic rate is 31 %, usually 4 %" in str(pages(sandbox)[0])
    assert "https://runbooks.example.org/toxic-rate-high" in str(pages(sandbox)[0])
    assert grafana_sends(bridge, "resolved", now) == 200
    eventually(lambda: pages(sandbox)[0]["status"] == "resolved")
    assert len(bridge.incidents()) == 1


def test_a_token_in_the_query_is_in_no_log_of_the_processes(bridge: Bridge) -> None:
    refused = f"{bridge.url}/webhook/cloud-monitoring/gcp?auth_token=an-old-token"
    assert requests.post(refused, json={}, timeout=60).status_code == 401
    assert google_sends(bridge, "open") == 200
    with requests.post(refused, data=iter([b"half a body"]), timeout=60) as answer:  # chunked
        assert answer.status_code == 401
    eventually(lambda: "webhook refused" in bridge.log())
    assert "an-old-token" not in bridge.log()
    assert bridge.environment["GOOGLE_TOKEN"] not in bridge.log()
