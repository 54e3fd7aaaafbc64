"""The files for one machine, judged by the real tools."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from dev.stack import binaries, credentials, render
from dev.stack.errors import StackError
from dev.stack.places import ROOT, ROUTES, Places
from dev.stack.ports import Ports
from dev.stack.speed import Tempo

PORTS = Ports(
    sandbox=1001, smtp=1002, alertmanager=1003, prometheus=1004, bridge=1005, api_0=1006, api_1=1007, api_2=1008
)
RULES = sorted((ROOT / "rules").glob("*.yml"))
RULE_TESTS = sorted((ROOT / "rules" / "tests").glob("*.yml"))


def run(tool: str, *words: str | Path) -> str:
    done = subprocess.run(
        [binaries.find(tool), *words], cwd=ROOT, check=False, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def rendered(places: Places) -> Path:
    render.write_monitoring(places.run, PORTS, places, Tempo(30))
    return places.run


def test_no_docker_name_is_left(rendered: Path) -> None:
    prometheus = yaml.safe_load((rendered / "prometheus.yml").read_text())
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in prometheus["scrape_configs"]}
    assert targets == {
        "alert-bridge": ["127.0.0.1:1005"],
        "prometheus": ["127.0.0.1:1004"],
        "alertmanager": ["127.0.0.1:1003"],
        "toxicity-api": ["127.0.0.1:1006"],
    }
    for name in ("prometheus.yml", "alertmanager.yml"):
        assert "/etc/" not in (rendered / name).read_text()


def test_every_replica_is_scraped_under_its_own_pod(rendered: Path) -> None:
    jobs = yaml.safe_load((rendered / "prometheus.yml").read_text())["scrape_configs"]
    (replicas,) = [job["static_configs"] for job in jobs if job["job_name"] == "toxicity-api"]
    assert [(each["targets"], each["labels"]["namespace"], each["labels"]["pod"]) for each in replicas] == [
        (["127.0.0.1:1006"], "ml", "toxicity-api-0"),
        (["127.0.0.1:1007"], "ml", "toxicity-api-1"),
        (["127.0.0.1:1008"], "ml", "toxicity-api-2"),
    ]


def test_traffic_is_chosen_by_a_variable() -> None:
    assert [render.traffic({}), render.traffic({"UP_TRAFFIC": "0"}), render.traffic({"UP_TRAFFIC": "20"})] == [4, 0, 20]
    with pytest.raises(StackError, match="UP_TRAFFIC='much' is not a rate"):
        render.traffic({"UP_TRAFFIC": "much"})


def test_drills_can_be_forbidden_by_the_shell(places: Places) -> None:
    assert render.api_environment(places, {})["BERT_API_DRILLS"] == "1"
    assert render.api_environment(places, {"BERT_API_DRILLS": "0"})["BERT_API_DRILLS"] == "0"


def test_the_metrics_name_the_commit_where_there_is_one(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    assert render.api_environment(places, {"BERT_API_GIT_SHA": "abc"})["BERT_API_GIT_SHA"] == "abc"
    monkeypatch.setenv("PATH", str(places.run))
    assert render.api_environment(places, {})["BERT_API_GIT_SHA"] == ""


def waits(folder: Path, speed: int) -> tuple[str, str, str, str]:
    """Of the route, of its warnings, and between two scrapes."""
    places = Places(folder)
    places.create()
    render.write_monitoring(folder, PORTS, places, Tempo(speed))
    route = yaml.safe_load((folder / "alertmanager.yml").read_text())["route"]
    (warning,) = [each for each in route["routes"] if each["matchers"] == ['severity="warning"']]
    scrapes = yaml.safe_load((folder / "prometheus.yml").read_text())["global"]["scrape_interval"]
    return route["group_wait"], route["group_interval"], warning["group_wait"], scrapes


def test_groups_wait_as_long_as_in_production_in_real_time(tmp_path: Path) -> None:
    assert waits(tmp_path, 1) == ("10s", "1m", "30s", "15s")


def test_groups_come_sooner_in_faster_time_and_warnings_still_wait_for_what_mutes_them(tmp_path: Path) -> None:
    assert waits(tmp_path, 5) == ("2s", "12s", "9s", "3s")
    assert waits(tmp_path, 30) == ("1s", "3s", "3s", "1s")


def test_a_changed_file_does_not_go_unnoticed(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text("targets: [bridge:9119]")
    with pytest.raises(StackError, match=r"(?s)does not contain what dev/stack/render.py replaces.*gone:1"):
        render.replaced(file, {"bridge:9119": "a", "gone:1": "b"})


def test_the_bridge_takes_every_address_from_its_environment() -> None:
    render.require_variables(ROUTES, render.environment(PORTS))
    assert render.environment(PORTS)["SLACK_BASE_URL"] == "http://127.0.0.1:1001/api/"


def test_an_address_written_out_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text("base_url: ${SLACK_BASE_URL:-http://x}\nsmarthost: mail.example.org:25")
    with pytest.raises(StackError, match=r"any more: SMTP_SMARTHOST\. "):
        render.require_variables(file, ["SLACK_BASE_URL", "SMTP_SMARTHOST"])


def test_what_goes_past_the_bridge_leads_to_its_runbooks_all_the_same(rendered: Path) -> None:
    receivers = yaml.safe_load((rendered / "alertmanager.yml").read_text())["receivers"]
    (direct,) = [each["pagerduty_configs"][0] for each in receivers if each["name"] == "direct"]
    assert direct["details"]["runbook"].startswith("http://127.0.0.1:1005/runbooks{{")


def test_the_alertmanager_accepts_its_files(rendered: Path) -> None:
    assert "SUCCESS" in run("amtool", "check-config", rendered / "alertmanager.yml")
    assert "SUCCESS" in run("amtool", "check-config", render.ALERTMANAGER)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["severity=critical", "alertname=X"], "bridge"),
        (["severity=warning", "alertname=X"], "bridge"),
        (["severity=info", "alertname=X"], "bridge"),
        (["alertname=NoSeverity"], "bridge"),
        (["severity=critical", "route=direct"], "direct"),
        (["severity=none", "alertname=Watchdog"], "bridge"),
    ],
    ids=str,
)
def test_each_alert_reaches_its_receiver(labels: list[str], receiver: str) -> None:
    file = f"--config.file={render.ALERTMANAGER}"
    run("amtool", "config", "routes", "test", file, f"--verify.receivers={receiver}", *labels)


def test_prometheus_accepts_its_files_and_rules(rendered: Path) -> None:
    assert f"{len(RULES)} rule files found" in run("promtool", "check", "config", rendered / "prometheus.yml")
    run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *RULES)


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name)
def test_every_alert_has_its_labels_a_runbook_and_a_test(file: Path) -> None:
    rules = [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]
    tests = "\n".join(test.read_text() for test in RULE_TESTS)
    for rule in (rule for rule in rules if "alert" in rule):
        name = rule["alert"]
        assert {"severity", "service", "component", "team", "cause"} <= rule["labels"].keys(), name
        assert {"summary", "description", "runbook_url"} <= rule["annotations"].keys(), name
        assert rule["annotations"]["runbook_url"].endswith(f"/{name}"), name
        assert (ROOT / "docs" / "runbooks" / f"{name}.md").read_text().startswith(f"# {name}\n"), name
        assert f"alertname: {name}\n" in tests, name


def test_secrets_are_private_and_never_in_a_configuration(places: Places) -> None:
    secrets = credentials.create(places)
    render.write_monitoring(places.run, PORTS, places, Tempo(30))
    files = sorted(places.secrets.iterdir())
    assert [file.name for file in files] == ["alertmanager_token", "pagerduty_routing_key", "slack_bot_token"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    text = "".join(file.read_text() for file in places.run.glob("*.yml"))
    assert not [name for name, value in secrets.items() if value in text]


def test_the_folder_of_a_run_is_private_and_another_users_is_left_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        new, earlier, other = (Places(tmp_path / name) for name in ("new", "earlier", "other"))
        for folder in (earlier.secrets, other.run):
            folder.mkdir(parents=True)
        for each in (new, earlier, other):
            each.create()
    finally:
        os.umask(before)
    assert [stat.S_IMODE(each.run.stat().st_mode) for each in (new, earlier, other)] == [0o700, 0o700, 0o777]
    assert {stat.S_IMODE(each.stat().st_mode) for each in (other.logs, other.secrets)} == {0o700}


def test_credentials_that_are_missing_are_named() -> None:
    with pytest.raises(StackError, match="did not say SLACK_BOT_TOKEN, ALERTMANAGER_TOKEN"):
        credentials.parsed("PAGERDUTY_ROUTING_KEY=abc\nSLACK_BOT_TOKEN=\n")
