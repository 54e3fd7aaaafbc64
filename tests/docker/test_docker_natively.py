"""The commands, environment and files of compose.yaml, run by the real programs of this machine."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from docker.start import make_secrets
from stack.binaries import find
from tests.docker.compose_reading import ROOT
from tests.docker.native_stack import QUICK_PAIR, NativeStack, answers
from tests.end_to_end.machines import end, eventually, fire

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def native(tmp_path: Path) -> Iterator[NativeStack]:
    """Everything of `docker compose up` that is not a model or a picture."""
    stack = NativeStack(tmp_path)
    told = stack.run_once("secrets")
    assert [f"{name}: made up" for name in make_secrets.PLACES] == told.splitlines()
    with contextlib.ExitStack() as running:
        start = running.enter_context
        start(stack.running("sandbox", lambda: stack.health("sandbox") == 0))
        start(stack.running("bridge", lambda: stack.health("bridge") == 0))
        for name in ("alertmanager-1", "alertmanager-2"):
            url = stack.url(name, 9093)
            start(stack.running(name, lambda url=url: answers(f"{url}/-/ready"), *QUICK_PAIR))
        start(stack.running("prometheus", lambda: answers(f"{stack.url('prometheus', 9090)}/-/ready")))
        yield stack


def seen(native: NativeStack) -> dict[str, Any]:
    return dict(requests.get(f"{native.url('sandbox', 9911)}/state", timeout=10).json())


def ask(native: NativeStack, path: str) -> Any:
    return requests.get(f"{native.url('prometheus', 9090)}/api/v1/{path}", timeout=10).json()["data"]


def login(native: NativeStack) -> tuple[str, str]:
    return "admin", (native.secrets / "bridge" / "bridge_admin_password").read_text()


def test_an_alert_that_one_of_the_pair_hears_arrives_once(native: NativeStack) -> None:
    assert 2 == len(
        eventually(lambda: len(found := ask(native, "alertmanagers")["activeAlertmanagers"]) == 2 and found)
    )
    fire(native.url("alertmanager-2", 9093), "MLErrorRateCritical", "critical", namespace="ml", job="toxicity-api")
    (page,) = eventually(lambda: seen(native)["pagerduty"]["incidents"], 60)
    assert ("triggered", 1) == (page["status"], page["pages"])
    eventually(lambda: answers(f"{native.url('bridge', 9119)}/-/watchdog"), 60)  # Prometheus' own way, through the pair
    end(native.url("alertmanager-2", 9093), "MLErrorRateCritical", "critical", namespace="ml", job="toxicity-api")
    eventually(lambda: seen(native)["pagerduty"]["incidents"][0]["status"] == "resolved", 60)
    time.sleep(4)  # long enough for the second of the pair to have had its turn
    assert [1] == [each["pages"] for each in seen(native)["pagerduty"]["incidents"]]
    incidents = requests.get(
        f"{native.url('bridge', 9119)}/api/v1/incidents?limit=1000", timeout=10, auth=login(native)
    )
    assert 1 == len(incidents.json()["incidents"])
    for name in ("sandbox", "bridge", "alertmanager-1", "alertmanager-2", "prometheus"):
        assert 0 == native.health(name), name
    jobs = {target["labels"]["job"]: target["health"] for target in ask(native, "targets")["activeTargets"]}
    assert {"alert-bridge": "up", "alertmanager": "up", "prometheus": "up"} == {
        job: health for job, health in jobs.items() if job != "toxicity-api"
    }


def test_a_health_check_fails_where_nobody_listens(tmp_path: Path) -> None:
    native = NativeStack(tmp_path)
    assert [] == [
        name
        for name in ("sandbox", "bridge", "alertmanager-1", "prometheus", "toxicity-api-0")
        if native.health(name) == 0
    ]


def test_the_page_tells_how_to_make_the_alertmanager_of_the_real_vendors(tmp_path: Path) -> None:
    shipped = (ROOT / "docker" / "alertmanager" / "alertmanager.yml").read_text()
    (line,) = [line for line in (ROOT / "docs" / "docker.md").read_text().splitlines() if line.startswith("sed ")]
    (tmp_path / "alertmanager").mkdir()
    (tmp_path / "alertmanager" / "alertmanager.yml").write_text(shipped)
    subprocess.run(["sh", "-ec", line], cwd=tmp_path, check=True)
    made = tmp_path / "alertmanager" / "vendors.yml"
    assert "sandbox" not in "".join(row for row in made.read_text().splitlines() if not row.lstrip().startswith("#"))
    assert "url: https://events.pagerduty.com/v2/enqueue" in made.read_text()
    subprocess.run([find("amtool"), "check-config", made], check=True, capture_output=True)
