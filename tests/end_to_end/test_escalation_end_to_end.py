"""The real bridge when PagerDuty is down, and when no responder acknowledges."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from tests.end_to_end.machines import ROOT, Bridge, eventually, running_bridge
from tests.end_to_end.webhooks import post

SHIPPED = "      notify: [pagerduty-ml]\n"
QUICK = "      fallback_after: 2s\n      escalate: [{after: 8s, notify: [slack-ml]}]\n"


@pytest.fixture
def hasty(tmp_path: Path, sandbox: RunningSandbox, token: str) -> Iterator[Bridge]:
    """The shipped routes, with a shorter delay before a critical alert escalates."""
    text = (ROOT / "routes.yaml").read_text()
    assert SHIPPED in text
    config = tmp_path / "routes.yaml"
    config.write_text(text.replace(SHIPPED, SHIPPED + QUICK))
    with running_bridge(tmp_path, sandbox, token, config) as bridge:
        yield bridge


def acknowledge(bridge: Bridge, number: int) -> str:
    """As an operator does in a shell."""
    command = [sys.executable, "-m", "bridge", "incidents", "--config", str(bridge.config)]
    command += ["--database", f"sqlite:///{bridge.folder}/bridge.db", "ack", str(number), "--as", "ada"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **bridge.environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(bridge: Bridge, number: int = 1) -> dict[str, Any]:
    return dict(requests.get(f"{bridge.url}/api/v1/incidents/{number}", timeout=60).json())


def timeline(bridge: Bridge, number: int = 1) -> list[str]:
    return [entry["text"] for entry in shown(bridge, number)["timeline"]]


def pages(sandbox: RunningSandbox) -> list[str]:
    return [page["status"] for page in sandbox.state["pagerduty"]["incidents"]]


def mails(sandbox: RunningSandbox) -> list[str]:
    raw = [sandbox.raw_mail(mail["number"]) for mail in sandbox.state["mail"]]
    return [_readable(mail) for mail in raw]


def _readable(raw: bytes) -> str:
    """Its headers, and its plain text without the folding of quoted-printable."""
    mail = message_from_bytes(raw)
    (plain,) = [part for part in mail.walk() if part.get_content_type() == "text/plain"]
    headers = "\n".join(f"{name}: {value}" for name, value in mail.items())
    return f"{headers}\n\n{bytes(plain.get_payload(decode=True)).decode()}"


def slack(sandbox: RunningSandbox) -> str:
    return str(sandbox.state["slack"]["channels"])


def test_when_pagerduty_is_down_mail_is_notified_and_when_it_is_back_both_show_the_truth(
    hasty: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    sandbox.fault(target="pagerduty", kind="outage")
    post(hasty, token, "ErrorsHigh")
    eventually(lambda: mails(sandbox))
    assert "pagerduty-ml could not be reached for" in mails(sandbox)[0]
    (fallback,) = [text for text in timeline(hasty) if text.endswith("notified email-ml instead")]
    assert fallback.startswith("pagerduty-ml could not be reached for")
    whys = {each["channel"]: each["why"] for each in shown(hasty)["deliveries"]}
    assert whys["email-ml"].startswith("notified because pagerduty-ml could not be reached for")
    sandbox.clear_faults()
    eventually(lambda: pages(sandbox) == ["triggered"])
    post(hasty, token, "ErrorsHigh", over=True)
    eventually(lambda: pages(sandbox) == ["resolved"])
    eventually(lambda: "X-Alert-Status: resolved" in mails(sandbox)[-1])


def test_a_critical_alert_that_joins_what_was_acknowledged_pages_again(
    hasty: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    post(hasty, token, "ErrorsHigh")
    eventually(lambda: pages(sandbox) == ["triggered"])
    acknowledge(hasty, 1)
    eventually(lambda: pages(sandbox) == ["acknowledged"])
    post(hasty, token, "ErrorsHigh", pods=2)
    eventually(lambda: pages(sandbox) == ["resolved", "triggered"])
    assert len({page["dedup_key"] for page in sandbox.state["pagerduty"]["incidents"]}) == 1
    assert "open again: ErrorsHigh came after ada acknowledged it" in timeline(hasty)
    post(hasty, token, "ErrorsHigh", pods=2, over=True)
    eventually(lambda: pages(sandbox) == ["resolved", "resolved"])


def test_without_an_acknowledgement_slack_is_notified_even_over_a_crash_but_not_of_what_was_acknowledged(
    hasty: Bridge, sandbox: RunningSandbox, token: str
) -> None:
    post(hasty, token, "Taken")
    assert acknowledge(hasty, 1) == "ada acknowledged it\n"
    post(hasty, token, "Ignored")
    eventually(lambda: len(pages(sandbox)) == 2)
    hasty.kill_everything()
    hasty.start()
    eventually(lambda: "Ignored" in slack(sandbox))
    assert "not acknowledged within 8 s: notified slack-ml too" in timeline(hasty, 2)
    assert "not acknowledged within 8 s" in slack(sandbox)
    assert "Taken" not in slack(sandbox)
    post(hasty, token, "Ignored", over=True)
    eventually(lambda: pages(sandbox) == ["acknowledged", "resolved"])
    eventually(lambda: "Resolved" in slack(sandbox))
