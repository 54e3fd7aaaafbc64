"""The command that a page shows, copied into a shell, silences in a real Alertmanager what it says and no more."""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.sandbox.running import RunningSandbox
from dev.stack.binaries import find
from tests.end_to_end.machines import CONFIGURATION, Bridge, eventually, fire, running_alertmanager

pytestmark = pytest.mark.timeout(180)
NASTY = {
    "quotes": 'it\'s "so" `quoted`',
    "shell": "$(touch pwned); $HOME & rm -rf / | cat > pwned #!",
    "slashes": 'C:\\new\\table \\" end\\',
    "lines": "first\nsecond",
    "letters": "größe 東京 🙂",
    "regex": ".*|=~!{}[]()",
    "blank": "  around  ",
    "option": "--expire-on=x",
}


def silenced(alertmanager: str) -> set[str]:
    alerts = requests.get(f"{alertmanager}/api/v2/alerts", timeout=60).json()
    return {each["labels"]["alertname"] for each in alerts if each["status"]["silencedBy"]}


def shown(bridge: Bridge, number: int) -> str:
    page = requests.get(f"{bridge.url}/incidents/{number}/silence", timeout=60).text
    (command,) = re.findall(r'<pre class="command">(.*?)</pre>', page, re.DOTALL)
    return html.unescape(command)


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """As a person would in a shell, with amtool on the PATH."""
    amtool = find("amtool")
    environment = {"PATH": f"{amtool.parent}:/usr/bin:/bin", "HOME": str(folder), "USER": "oncall"}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("group_by", ["[alertname, job]", "['...']", "[]"])
def test_what_is_shown_silences_the_incidents_alerts_whatever_their_labels(
    tmp_path: Path, bridge: Bridge, sandbox: RunningSandbox, token: str, group_by: str
) -> None:
    configuration = CONFIGURATION.partition("  routes:\n")[0].replace("[alertname, job]", group_by)
    configuration += "receivers:\n" + CONFIGURATION.partition("receivers:\n")[2]
    folder = tmp_path / "shell"
    folder.mkdir()
    with running_alertmanager(tmp_path / "am", bridge.url, token, configuration=configuration) as alertmanager:
        fire(alertmanager, "Nasty", "warning", **NASTY)
        incidents: list[dict[str, Any]] = eventually(bridge.incidents)
        # the one in routes.yaml is not there in this test, so the address that Alertmanager says itself is put in
        command = shown(bridge, incidents[0]["number"]).replace("http://127.0.0.1:9 ", f"{alertmanager} ", 1)
        done = run(command, folder)
        assert done.returncode == 0, (command, done.stderr)
        fire(alertmanager, "Innocent", "warning", **{**NASTY, "quotes": "others"})
        eventually(lambda: silenced(alertmanager) == {"Nasty"})
    assert list(folder.glob("pwned*")) == []
    (silence,) = [line for line in done.stdout.split() if line]
    assert re.fullmatch(r"[0-9a-f-]{36}", silence)


def test_the_links_of_a_message_lead_to_pages_that_answer(
    alertmanager: str, bridge: Bridge, sandbox: RunningSandbox
) -> None:
    fire(alertmanager, "MLErrorRateCritical", "critical", namespace="ml")
    page = eventually(lambda: sandbox.state["pagerduty"]["incidents"])[0]
    links = {link["text"]: link["href"] for link in page["links"]}
    assert {"Alerts", "Silence"} <= links.keys()
    for href in links.values():
        answer = requests.get(href.replace("http://127.0.0.1:9119", bridge.url), timeout=60)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "MLErrorRateCritical" in answer.text
