"""`bridge send-test` and `bridge preview` with channels whose vendor is the sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli.main import main
from dev.sandbox.running import running_sandbox

SECRET = "5162a0d3b3b94a4ec2d1d3f6a5e8c7b9"
ROUTES = """
channels:
  pager: {{type: pagerduty, routing_key: "${{S}}", base_url: "{http}"}}
  hook: {{type: webhook, url: "{http}/webhook/ml", secret: "${{S}}"}}
route: {{notify: [pager, hook]}}
"""


@pytest.mark.parametrize("channel", ["pager", "hook"])
def test_a_test_is_sent_and_then_resolved(channel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S", SECRET)
    with running_sandbox(webhook_secrets=(SECRET,)) as sandbox:
        (tmp_path / "routes.yaml").write_text(ROUTES.format(http=sandbox.http_url))
        done = CliRunner().invoke(main, ["send-test", channel, "--config", str(tmp_path / "routes.yaml")])
        state = sandbox.state
    assert done.exit_code == 0, done.output
    assert f"{channel}: the test is resolved again." in done.output
    if channel == "pager":
        assert [each["status"] for each in state["pagerduty"]["incidents"]] == ["resolved"]
        return
    first, second = state["webhook"]["deliveries"]
    assert ([first["body"]["status"], second["body"]["status"]], second["signed"]) == (["firing", "resolved"], True)
    assert second["body"]["alerts"][0]["status"] == "resolved"
    assert second["body"]["incident"]["state"] == "resolved"
    assert [each["body"]["incident"]["revision"] for each in (first, second)] == [1, 2]


def test_a_preview_shows_the_body_and_needs_no_secret(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES.format(http="http://127.0.0.1:9"))
    alert = {"status": "firing", "labels": {"alertname": "Slow"}, "annotations": {}, "fingerprint": "f",
             "startsAt": "2026-03-01T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": ""}  # fmt: skip
    group = {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "r", "groupLabels": {},
             "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am", "alerts": [alert]}  # fmt: skip
    (tmp_path / "payload.json").write_text(json.dumps(group))
    words = ["preview", "hook", str(tmp_path / "payload.json"), "--config", str(tmp_path / "routes.yaml")]
    body = json.loads(CliRunner().invoke(main, words).output)
    assert (body["receiver"], body["alerts"][0]["labels"]["alertname"]) == ("hook", "Slow")
    assert body["alerts"][0]["startsAt"] == "2026-03-01T12:00:00Z"
