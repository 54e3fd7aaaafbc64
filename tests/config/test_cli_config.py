"""The commands about routes.yaml, as a person at a terminal meets them."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from werkzeug.security import check_password_hash

from bridge.cli_config import COMMANDS

ROOT = Path(__file__).parents[2]
ENVIRON = {
    "PAGERDUTY_ROUTING_KEY": "pd-secret",
    "SLACK_BOT_TOKEN": "xoxb-secret",
    "ALERTMANAGER_TOKEN": "am-secret",
}
FAULTY = """channels:
  slack-ml: {type: slack, token: "${SLACK_BOT_TOKEN}", channel: "#ml"}
route:
  notify: [slak-ml]
"""


@pytest.fixture
def run(monkeypatch):
    monkeypatch.delenv("BRIDGE_CONFIG", raising=False)
    group = click.Group(commands={command.name: command for command in COMMANDS})

    def invoke(*words, obj=None, **options):
        default = () if "--config" in words or words[0] in ("schema", "hash-password") else ("--config", ROUTES)
        return CliRunner().invoke(group, [*words, *default], obj={"environ": ENVIRON, **(obj or {})}, **options)

    return invoke


ROUTES = str(ROOT / "routes.yaml")


def test_check_says_what_reaches_whom(run):
    result = run("check")
    assert 0 == result.exit_code
    assert "routes.yaml is good" in result.output
    assert ["critical", "pagerduty-ml"] == next(x for x in result.output.splitlines() if "critical " in x).split()
    assert "warning: route.routes[0].fallback: accepted" in result.output


def test_check_tells_every_fault_and_fails(run, tmp_path):
    path = tmp_path / "routes.yaml"
    path.write_text(FAULTY + "retention: x\n")
    result = run("check", "--config", str(path))
    assert 1 == result.exit_code
    assert f"{path}:4: route.notify[0]: no channel named 'slak-ml'; did you mean 'slack-ml'?" in result.output
    assert result.output.endswith("2 faults\n")


def test_check_for_programs(run, tmp_path):
    path = tmp_path / "routes.yaml"
    path.write_text(FAULTY)
    result = run("check", "--json", "--config", str(path))
    assert 1 == result.exit_code
    told = json.loads(result.output)
    assert (False, "route.notify[0]", 4) == (told["ok"], told["faults"][0]["path"], told["faults"][0]["line"])
    good = json.loads(run("check", "--json").output)
    assert (True, ["email-ml"]) == (good["ok"], good["reaches"]["warning"])


def test_check_asks_the_template_check_that_it_is_given(run):
    result = run("check", obj={"check_templates": lambda folder: [f"broken in {folder}"]})
    assert (1, True) == (result.exit_code, "templates: broken in None" in result.output)


def test_check_finds_the_file_by_its_variable(run, tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text(FAULTY)
    group = click.Group(commands={command.name: command for command in COMMANDS})
    result = CliRunner().invoke(group, ["check"], env={"BRIDGE_CONFIG": str(path)}, obj={"environ": ENVIRON})
    assert f"{path}:4:" in result.output


def test_route_says_who_hears_and_why(run):
    result = run("route", "severity=page", "alertname=X")
    assert 0 == result.exit_code
    assert '=> route.routes[0] {severity="critical"}' in result.output
    assert "-> pagerduty-ml (pagerduty)" in result.output


def test_route_says_which_matcher_failed(run):
    output = run("route", "severity=info").output
    assert """-- route.routes[0] {severity="critical"}   fails severity="critical": it is 'info'""" in output
    assert 'fails severity="critical": the label is missing' in run("route").output


def test_route_for_programs(run):
    told = json.loads(run("route", "severity=warning", "--json").output)
    assert (["email-ml"], [False, True]) == (
        told["channels"],
        [step["matched"] for step in told["steps"][1:]],
    )


def test_route_at_another_time(run, tmp_path):
    path = tmp_path / "routes.yaml"
    path.write_text(
        FAULTY.replace("slak", "slack")
        + "  routes: [{matchers: [a=b], mute_time_intervals: [nights]}]\n"
        + "time_intervals:\n"
        + "  - {name: nights, time_intervals: [{times: [{start_time: 00:00, end_time: 07:00}]}]}\n"
    )
    words = ("route", "a=b", "--config", str(path), "--at")
    assert (
        "muted until 2026-11-23T07:00:00+00:00: mute time interval 'nights'" in run(*words, "2026-11-23T03:00").output
    )
    assert "muted" not in run(*words, "2026-11-23T12:00+01:00").output
    assert 2 == run(*words, "noon").exit_code


@pytest.mark.parametrize("word", ["severity", "=x"])
def test_route_refuses_what_is_no_label(run, word):
    result = run("route", word)
    assert (2, True) == (result.exit_code, "write NAME=VALUE" in result.output)


def test_schema_is_json(run):
    assert "channels" in json.loads(run("schema").output)["properties"]


def test_hash_password_from_standard_input(run):
    result = run("hash-password", input="open sesame\n")
    assert check_password_hash(result.output.strip(), "open sesame")
    assert "open sesame" not in result.output
    assert 1 == run("hash-password", input="\n").exit_code


def test_no_command_shows_a_secret(run):
    for words in (("check",), ("check", "--json"), ("route", "severity=critical"), ("route", "--json")):
        output = run(*words).output
        assert not [secret for secret in ENVIRON.values() if secret in output]
