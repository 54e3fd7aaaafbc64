"""A drill of each tier in faster time, with everything real: API, Prometheus, Alertmanager, bridge, and the sandbox.

One stack for all of them; each drill is the command that a person runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.stack.drill_start import started
from dev.stack.drill_watching import Site, running_site
from dev.stack.places import ROOT, Places
from tests.end_to_end.machines import eventually

pytestmark = pytest.mark.timeout(3600)
SPEED = "30"


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    """Of a `make up` on free ports that runs until the last drill is over."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SPEED", SPEED)
        environment.delenv("UP_TRAFFIC", raising=False)
        with started() as places:
            yield places


@pytest.fixture(scope="module")
def site(places: Places) -> Site:
    return running_site(places)


def drill(places: Places, scenario: str, alert: str = "") -> list[str]:
    """The lines that it shows; the names of the steps come third."""
    words = [sys.executable, "-m", "dev.stack", "drill", scenario, "--run", str(places.run)]
    environment = {**os.environ, "ALERT": alert}
    done = subprocess.run(words, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout.splitlines()


def steps(shown: list[str]) -> list[str]:
    return [line.split()[2] for line in shown if " s  " in line]


def sandbox(site: Site) -> dict[str, Any]:
    return dict(requests.get(f"{site.url('sandbox')}/state", timeout=60).json())


def active_faults(site: Site) -> list[str]:
    listed = [requests.get(f"{site.replica(number)}/drills", timeout=60).json()["drills"] for number in range(3)]
    return [each["name"] for drills in listed for each in drills if each["active"]]


def test_errors_page_the_on_call_and_the_page_resolves(places: Places, site: Site) -> None:
    shown = drill(places, "errors")
    expected = ["quiet", "fault", "condition", "pending", "firing", "delivered", "cause", "undone", "ended", "resolved"]
    assert steps(shown) == expected
    pages = [page for page in sandbox(site)["pagerduty"]["incidents"] if "of predictions in ml fail" in page["summary"]]
    assert [(page["status"], page["severity"], page["pages"]) for page in pages] == [("resolved", "critical", 1)]
    assert active_faults(site) == []


def test_little_memory_is_a_mail_and_a_mail_that_it_is_over(places: Places, site: Site) -> None:
    shown = drill(places, "memory")
    assert {"delivered", "resolved"} <= set(steps(shown))
    mails = [dict(mail["headers"]) for mail in sandbox(site)["mail"] if "MLPodMemoryHigh" in mail["subject"]]
    assert [headers["X-Alert-Status"] for headers in mails] == ["firing", "resolved"]


def test_a_deployment_is_a_message_in_slack_that_is_edited_at_its_end(places: Places, site: Site) -> None:
    shown = drill(places, "deploy")
    assert {"ready", "delivered", "resolved"} <= set(steps(shown))
    messages = [message for channel in sandbox(site)["slack"]["channels"].values() for message in channel["messages"]]
    notices = [message for message in messages if "Model version" in message["text"]]
    assert [(message["edits"] > 0, message["text"].startswith("Notice ended")) for message in notices] == [(True, True)]


def test_a_drill_that_is_broken_off_undoes_its_fault(places: Places, site: Site, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "dev.stack", "drill", "latency", "--run", str(places.run)]
    with (tmp_path / "shown").open("wb") as stream:
        process = subprocess.Popen(words, cwd=ROOT, stdout=stream, stderr=stream)
    eventually(lambda: "condition" in (tmp_path / "shown").read_text() or process.poll() is not None)
    process.terminate()
    assert process.wait(300) == 130, (tmp_path / "shown").read_text()
    assert "undone" in (tmp_path / "shown").read_text()
    assert active_faults(site) == []
