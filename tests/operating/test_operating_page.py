"""docs/operating.md agrees with the code and the cluster's files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from bridge.cli.main import main
from tests.end_to_end.machines import ROOT
from tests.rules.exported import everything

PAGE = (ROOT / "docs" / "operating.md").read_text()
RULES = yaml.safe_load((ROOT / "rules" / "meta.yml").read_text())
DEPLOYMENT = next(
    thing
    for thing in yaml.safe_load_all((ROOT / "k8s" / "base" / "bridge.yaml").read_text())
    if thing["kind"] == "Deployment"
)


def test_each_command_of_the_bridge_on_the_page_exists() -> None:
    named = set(re.findall(r"(?:`|^|bin/|-m )bridge ([a-z-]+)", PAGE, re.MULTILINE))
    assert {"backup", "restored", "check", "serve", "incidents"} <= named
    assert [name for name in named if main.get_command(click.Context(main), name) is None] == []


def test_each_metric_on_the_page_is_exported() -> None:
    named = set(re.findall(r"`(bridge_[a-z_]+)(?:\{[^}]*\})?`", PAGE))
    assert {"bridge_channel_paused", "bridge_delivery_latency_seconds"} <= named
    bases = {re.sub(r"_(bucket|count|sum)$", "", name) for name in everything()}
    assert named - bases - set(everything()) == set()


def test_each_alert_on_the_page_pages_past_the_bridge() -> None:
    section = PAGE.partition("## When the bridge itself is down")[2].partition("**First**")[0]
    named = set(re.findall(r"`((?:Alert|Bridge)[A-Za-z]+)`", section))
    direct = {
        rule["alert"]
        for group in RULES["groups"]
        for rule in group["rules"]
        if rule.get("labels", {}).get("route") == "direct"
    }
    assert {"AlertBridgeDown"} <= named
    assert named - direct == set()


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_has_a_target(page: Path) -> None:
    for file, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]+)?(?:#([^)\s]+))?\)", _prose(page)):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), file
        assert not anchor or anchor in _anchors(target), f"{file}#{anchor}"


def _prose(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> list[str]:
    """The anchors that GitHub makes from headings."""
    headings = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    return [re.sub(r"[^a-z0-9_ -]", "", each.lower()).replace(" ", "-") for each in headings]


def test_the_setting_that_the_page_changes_exists_in_the_alertmanager_file() -> None:
    (old,) = re.findall(r"sed -i 's/([^/]+)/[^/]+/' alertmanager.yml", PAGE)
    assert f"\n  {old}\n" in (ROOT / "docker" / "alertmanager" / "alertmanager.yml").read_text()


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq here")
def test_the_job_that_runs_restored_is_valid() -> None:
    (program,) = re.findall(r"\| jq '(.*?)' \| kubectl", PAGE, re.DOTALL)
    done = subprocess.run(
        ["jq", program], input=json.dumps(DEPLOYMENT), capture_output=True, text=True, timeout=600, check=True
    )
    job: dict[str, Any] = json.loads(done.stdout)
    kubernetes_validate.validate(job, "1.32", strict=True)
    pod = job["spec"]["template"]
    assert pod["metadata"]["labels"] == DEPLOYMENT["spec"]["template"]["metadata"]["labels"], "for network policies"
    (container,) = pod["spec"]["containers"]
    worker = next(each for each in DEPLOYMENT["spec"]["template"]["spec"]["containers"] if each["name"] == "worker")
    expected = {key: value for key, value in worker.items() if not key.endswith("Probe")}  # the job has no liveness
    assert container == {**expected, "command": ["python", "-m", "bridge", "restored"]}
