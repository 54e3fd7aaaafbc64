"""Where Alertmanager's configuration sends each alert, judged by amtool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from bridge.config.rule_files import read_rule_files
from bridge.core.routing.rule_coverage import AlertRule
from dev.stack import binaries, render
from dev.stack.places import ROOT, Places
from dev.stack.ports import Ports
from dev.stack.speed import Tempo


def amtool(*words: str | Path) -> str:
    done = subprocess.run([binaries.find("amtool"), *words], check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=["shipped", "rendered"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The file in the repository, and the one that `make up` writes."""
    if request.param == "shipped":
        return render.ALERTMANAGER
    places = Places(tmp_path / ".run")
    places.create()
    render.write_monitoring(places.run, Ports(), places, Tempo(30))
    return places.run / "alertmanager.yml"


def test_alertmanager_accepts_the_configuration(config: Path) -> None:
    assert "SUCCESS" in amtool("check-config", config)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("severity=critical",), "bridge"),
        (("severity=warning",), "bridge"),
        (("severity=info",), "bridge"),
        (("severity=none",), "bridge"),
        (("severity=catastrophic",), "bridge"),
        ((), "bridge"),
        (("severity=critical", "route=direct"), "direct"),
        (("severity=warning", "route=direct"), "direct"),
        (("severity=critical", "route=indirect"), "bridge"),
        (("severity=none", "alertname=Watchdog"), "bridge"),
        (("severity=critical", "alertname=Watchdog", "route=direct"), "bridge"),
    ],
    ids=str,
)
def test_each_alert_goes_to_one_receiver(config: Path, labels: tuple[str, ...], receiver: str) -> None:
    named = labels if any(label.startswith("alertname=") for label in labels) else (*labels, "alertname=X")
    amtool("config", "routes", "test", f"--config.file={config}", f"--verify.receivers={receiver}", *named)


def shipped_rules() -> list[AlertRule]:
    return [placed.rule for file in read_rule_files([ROOT / "rules"]) for placed in file.rules]


def expected_receiver(rule: AlertRule) -> str:
    return "direct" if rule.known.get("route") == "direct" else "bridge"


@pytest.mark.parametrize("rule", shipped_rules(), ids=lambda rule: rule.alert)
def test_each_shipped_rule_goes_to_its_receiver(rule: AlertRule) -> None:
    labels = [f"{name}={value}" for name, value in rule.known.items()]
    file = f"--config.file={render.ALERTMANAGER}"
    assert amtool("config", "routes", "test", file, *labels).strip() == expected_receiver(rule)


def test_group_wait_of_warning_and_info_exceeds_the_evaluation_interval() -> None:
    evaluated = yaml.safe_load(render.PROMETHEUS.read_text())["global"]["evaluation_interval"]
    routes = yaml.safe_load(render.ALERTMANAGER.read_text())["route"]["routes"]
    waits = [r["group_wait"] for r in routes if r["matchers"][0] in ('severity="warning"', 'severity="info"')]
    assert [seconds(wait) > seconds(evaluated) for wait in waits] == [True, True]


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_the_configuration_contains_no_secret() -> None:
    text = render.ALERTMANAGER.read_text()
    settings = yaml.safe_load(text)["receivers"]
    assert list(settings[0]["webhook_configs"][0]["http_config"]["authorization"]) == ["credentials_file"]
    assert "routing_key_file" in settings[1]["pagerduty_configs"][0]
    assert "routing_key:" not in text and "credentials:" not in text
