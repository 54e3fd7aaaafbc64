"""`bridge preview`: any message for any payload, and a context from a file."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from bridge.cli.main import main
from bridge.core.facts import Unit, Verdict
from bridge.rendering.context_file import ContextFault, context_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROUTES = """
channels:
  slack-ml: {type: slack, token: "${SLACK_TOKEN}", channel: "#ml"}
  pager-ml: {type: pagerduty, routing_key: "${ROUTING_KEY}"}
  email-ml: {type: email, smarthost: "127.0.0.1:25", tls: none, from: a@example.org, to: [b@example.org]}
route: {notify: [slack-ml, pager-ml, email-ml]}
"""
SECRETS = {"SLACK_TOKEN": "xoxb-123456789012-abcdefabcdef", "ROUTING_KEY": "0123456789abcdef0123456789abcdef"}
CONTEXT: dict[str, Any] = {
    "at": "2026-03-01T12:02:00Z",
    "facts": [{"name": "e", "title": "Errors", "unit": "ratio", "value": 0.073, "verdict": "bad", "why": "above 5 %"}],
    "changes": [{"kind": "deploy", "service": "api", "at": "2026-03-01T11:54:00Z", "summary": "", "version": "v2"}],
}


def a_payload(status: str) -> dict[str, Any]:
    ended = "0001-01-01T00:00:00Z" if status == "firing" else "2026-03-01T12:26:00Z"
    alert = {
        "status": status, "labels": {"alertname": "Slow", "severity": "critical"}, "fingerprint": "f",
        "annotations": {"summary": "API is slow"}, "startsAt": "2026-03-01T12:00:00Z", "endsAt": ended,
        "generatorURL": "",
    }  # fmt: skip
    group = {"receiver": "r", "status": status, "groupKey": "{}", "groupLabels": {"alertname": "Slow"}, "version": "4"}
    more = {"commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am.example", "truncatedAlerts": 0}
    return {**group, **more, "alerts": [alert]}


@pytest.fixture
def preview(tmp_path: Path) -> Any:
    def run(channel: str, *options: str, status: str = "firing", context: Any = CONTEXT) -> Result:
        (tmp_path / "routes.yaml").write_text(ROUTES)
        (tmp_path / "payload.json").write_text(json.dumps(a_payload(status)))
        (tmp_path / "context.json").write_text(json.dumps(context))
        files = [str(tmp_path / name) for name in ("payload.json", "routes.yaml", "context.json")]
        line = ["preview", channel, files[0], "--config", files[1], "--context", files[2], *options]
        return CliRunner(env=SECRETS).invoke(main, line)

    return run


@pytest.mark.parametrize("channel", ["slack-ml", "pager-ml", "email-ml"])
def test_a_context_from_a_file_is_in_the_message(preview: Any, channel: str) -> None:
    result = preview(channel)
    assert result.exit_code == 0, result.output
    for words in ("7.3 %", "above 5 %", "v2 deployed 6 min before it fired"):
        assert words in result.output


def test_a_mail_is_readable(preview: Any) -> None:
    shown = preview("email-ml").output
    assert "Subject: [critical] Slow" in shown
    assert "Firing: API is slow; Errors 7.3 %" in shown
    assert "=3D" not in shown


@pytest.mark.parametrize(
    ("channel", "words"),
    [("email-ml", "Resolved after 26 min"), ("slack-ml", "Resolved after 26"), ("pager-ml", '"resolve"')],
)
def test_the_end_of_an_incident_can_be_seen_too(preview: Any, channel: str, words: str) -> None:
    assert words in preview(channel, status="resolved").output


def test_html_opens_in_the_browser(preview: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[str] = []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(click, "launch", opened.append)
    assert preview("email-ml", "--open").exit_code == 0
    file = Path(opened[0].removeprefix("file://"))
    assert "<strong>7.3 %</strong>" in file.read_text()


def test_without_html_there_is_nothing_to_open(preview: Any) -> None:
    result = preview("slack-ml", "--html")
    assert (result.exit_code, "have no HTML" in result.output) == (1, True)


def test_a_fault_in_the_context_names_its_place(preview: Any) -> None:
    result = preview("slack-ml", context={"facts": [{"name": "e", "title": "E", "unit": "percent"}]})
    assert result.exit_code == 1
    assert "facts[0].unit: 'percent' is not one of ratio, seconds" in result.output


def test_what_is_left_out_has_its_default() -> None:
    context = context_of(json.dumps(CONTEXT), NOW)
    (fact,) = context.facts
    assert (fact.at, fact.unit, fact.verdict, fact.past) == (NOW, Unit.RATIO, Verdict.BAD, ())
    assert context.at == NOW + timedelta(minutes=2)
    assert (context_of("{}", NOW).at, context_of("{}", NOW).hypothesis) == (NOW, None)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("{", "this is not JSON"),
        ("[]", "the whole: must be an object, but is []"),
        ('{"fact": []}', "fact: there is no such field; there are at, facts"),
        ('{"facts": {}}', "facts: must be a list"),
        ('{"facts": [{"name": "a"}]}', "facts[0].title: is missing"),
        ('{"facts": [{"value": "1"}]}', "facts[0].value: must be a number"),
        ('{"facts": [{"value": true}]}', "facts[0].value: must be a number"),
        ('{"at": "noon"}', "at: 'noon' is not a time such as"),
        ('{"at": 5}', "at: must be a time such as"),
        ('{"unknown": [{"title": 1}]}', "unknown[0].title: must be text"),
        ('{"changes": [{"labels": {"a": 1}}]}', "changes[0].labels.a: must be text"),
    ],
)
def test_every_fault_says_what_belongs_there(written: str, fault: str) -> None:
    with pytest.raises(ContextFault) as caught:
        context_of(written, NOW)
    assert str(caught.value).startswith(fault)
