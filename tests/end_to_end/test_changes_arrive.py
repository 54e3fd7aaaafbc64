"""What was changed reaches the real bridge by post and by alert, once, and is shown with the incident it concerns."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import ROOT, Bridge, eventually, fire


def post_change(bridge: Bridge, token: str, change: dict[str, Any]) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(f"{bridge.url}/events/change", json=change, headers=headers, timeout=60).status_code


def changes(bridge: Bridge, path: str = "changes") -> list[dict[str, Any]]:
    return list(requests.get(f"{bridge.url}/api/v1/{path}", timeout=60).json()["changes"])


def test_a_posted_change_is_kept_once_and_survives_the_processes(bridge: Bridge, token: str) -> None:
    change = {"kind": "deploy", "service": "bert-api", "model": "toxic-bert", "version": "v2", "at": 1763900000}
    assert [post_change(bridge, token, change) for _ in range(2)] == [201, 200]
    assert post_change(bridge, "not-the-token", {**change, "version": "v3"}) == 401
    bridge.kill_everything()
    bridge.start()
    assert post_change(bridge, token, change) == 200
    (kept,) = changes(bridge)
    assert (kept["version"], kept["labels"], kept["source"]) == ("v2", {"model": "toxic-bert"}, "prod")


def test_an_incident_shows_its_changes_from_posts_and_alerts(bridge: Bridge, alertmanager: str, token: str) -> None:
    before = datetime.now(UTC) - timedelta(minutes=10)
    posted = {"kind": "deploy", "service": "bert-api", "version": "v2", "at": before.isoformat(), "by": "release job"}
    assert post_change(bridge, token, posted) == 201
    assert post_change(bridge, token, {**posted, "service": "billing"}) == 201
    fire(alertmanager, "MLRetrainingStarted", "info", job="bert-api", namespace="ml")
    fire(alertmanager, "ErrorsHigh", "critical", job="bert-api", namespace="ml")
    incident = eventually(lambda: [each for each in bridge.incidents() if "ErrorsHigh" in each["title"]])[0]
    eventually(lambda: len(changes(bridge)) == 3)
    page = requests.get(f"{bridge.url}/incidents/{incident['number']}", timeout=60).text
    for word in (
        "bert-api v2 was deployed",
        "before it fired",
        "by release job",
        "a retraining of bert-api was started",
    ):
        assert word in page
    assert "billing" not in page
    assert [each["kind"] for each in changes(bridge, f"incidents/{incident['number']}")] == ["retraining", "deploy"]
    assert (
        'bridge_changes_total{kind="retraining",source="prod"} 1.0'
        in requests.get(f"{bridge.url}/metrics", timeout=60).text
    )


def test_pagerduty_is_notified_of_each_change_once_without_paging(
    bridge: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    sandbox.fault(target="pagerduty", kind="status", status=503, path="change", count=1)
    for version in ("v2", "v3", "v2"):
        post_change(bridge, token, {"kind": "deploy", "service": "bert-api", "version": version, "at": 1763900000})
    eventually(lambda: len(sandbox.state["pagerduty"]["changes"]) == 2)
    summaries = [change["payload"]["summary"] for change in sandbox.state["pagerduty"]["changes"]]
    assert sorted(summaries) == ["bert-api v2 was deployed", "bert-api v3 was deployed"]
    assert sandbox.state["pagerduty"]["incidents"] == []


def test_the_api_posts_its_deploys_and_rollbacks_in_a_form_that_the_bridge_takes(
    bridge: Bridge, token: str, tmp_path: Path
) -> None:
    settings = {
        "BERT_API_STATE": str(tmp_path / "bert-api"),
        "CHANGE_WEBHOOK_URL": f"{bridge.url}/events/change",
        "CHANGE_WEBHOOK_TOKEN": token,
    }
    for words in (["deploy", "1.0.0"], ["rollback"]):
        done = subprocess.run(
            [sys.executable, "-m", "bert_api", *words],
            cwd=ROOT,
            env={**os.environ, **settings},
            check=False,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
    stored = [(each["kind"], each["service"], each["version"], each["previous"]) for each in changes(bridge)]
    assert stored == [("rollback", "toxicity-api", "1.1.0", "1.0.0"), ("deploy", "toxicity-api", "1.0.0", "1.1.0")]
    assert changes(bridge)[0]["labels"] == {"model": "minilm-toxicity"}
