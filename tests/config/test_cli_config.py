"""The commands about routes.yaml, as a user at a terminal runs them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import click
import pytest
from click.testing import CliRunner, Result
from werkzeug.security import check_password_hash

from bridge.cli.check import check
from bridge.cli.config import hash_password, route, schema

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


COMMANDS = (check, route, schema, hash_password)


class Run(Protocol):
    """Runs the command with these words, and with the repository's routes.yaml unless they name another file."""

    def __call__(self, *words: str, obj: Mapping[str, object] | None = None, input: str | None = None) -> Result: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("BRIDGE_CONFIG", raising=False)
    group = click.Group(commands=COMMANDS)

    def invoke(*words: str, obj: Mapping[str, object] | None = None, input: str | None = None) -> Result:
        default = () if "--config" in words or words[0] in ("schema", "hash-password") else ("--config", ROUTES)
        return CliRunner().invoke(group, [*words, *default], obj={"environ": ENVIRON, **(obj or {})}, input=input)

    return invoke


ROUTES = str(ROOT / "routes.yaml")


def test_check_lists_the_channels_of_each_severity(run: Run) -> None:
    result = run("check")
    assert result.exit_code == 0
    assert "routes.yaml is good" in result.output
    assert next(x for x in result.output.splitlines() if "critical " in x).split() == ["critical", "pagerduty-ml"]
    assert "warning: route.routes[0].fallback" not in result.output


def test_check_reports_every_fault_and_fails(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FAULTY + "retention: x\n")
    result = run("check", "--config", str(path))
    assert result.exit_code == 1
    assert f"{path}:4: route.notify[0]: no channel named 'slak-ml'; did you mean 'slack-ml'?" in result.output
    assert result.output.endswith("2 faults\n")


def test_check_as_json(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(FAULTY)
    result = run("check", "--json", "--config", str(path))
    assert result.exit_code == 1
    report = json.loads(result.output)
    assert (report["ok"], report["faults"][0]["path"], report["faults"][0]["line"]) == (False, "route.notify[0]", 4)
    good = json.loads(run("check", "--json").output)
    assert (good["ok"], good["reaches"]["warning"]) == (True, ["email-ml"])


RULES = """groups:
- rules:
  - {alert: Errors, expr: a > 1, labels: {severity: critical}, annotations: {runbook_url: https://x.org/Errors}}
  - {alert: Deployed, expr: b > 1, labels: {severity: info, team: "{{ $labels.team }}"}, annotations: {summary: s}}
  - {alert: Watchdog, expr: vector(1), labels: {severity: none}, annotations: {runbook_url: https://x.org/Watchdog}}
"""
TIERS = """channels:
  slack-ml: {type: slack, token: "${SLACK_BOT_TOKEN}", channel: C012ABCDEF}
  pagerduty-ml: {type: pagerduty, routing_key: "${PAGERDUTY_ROUTING_KEY}"}
route:
  notify: [slack-ml]
  routes:
    - {matchers: [team=ml], notify: [slack-ml]}
    - {matchers: [severity="critical"], notify: [pagerduty-ml]}
"""


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    path.write_text(TIERS)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "ml.yml").write_text(RULES)
    return path


def test_check_lists_the_channels_and_dependencies_of_each_rule(run: Run, routes: Path) -> None:
    result = run("check", "--config", str(routes))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert "3 alerts in 1 rule file, with the labels that the rules set" in lines
    assert "Errors    critical  pagerduty-ml  depends on team" in lines
    assert "Deployed  info      slack-ml      depends on team" in lines
    assert (
        "Watchdog  none      slack-ml      a heartbeat: it opens no incident if `heartbeats` names it; depends on team"
        in lines
    )


def test_check_reports_a_faulty_rule_with_its_file_and_line(run: Run, routes: Path) -> None:
    result = run("check", "--config", str(routes))
    file = routes.parent / "rules" / "ml.yml"
    assert f"{file}:4: groups[0].rules[1]: Deployed has no runbook_url; add" in result.output
    assert (result.exit_code, result.output.endswith("\n1 fault\n")) == (1, True)
    file.write_text(RULES.replace("summary: s", "runbook_url: https://x.org/Deployed"))
    assert run("check", "--config", str(routes)).exit_code == 0


def test_check_fails_for_a_critical_rule_that_does_not_page_and_for_a_rule_without_channel(
    run: Run, routes: Path
) -> None:
    text = TIERS.replace(
        "notify: [pagerduty-ml]}", "notify: [slack-ml]}\n    - {matchers: [severity=info], notify: []}"
    )
    routes.write_text(text)
    result = run("check", "--config", str(routes))
    assert "ml.yml:3: groups[0].rules[0]: Errors is critical but does not page: it reaches slack-ml" in result.output
    assert 'ml.yml:4: groups[0].rules[1]: Deployed {severity="info"} reaches no channel; route.routes[' in result.output
    assert (result.exit_code, result.output.endswith("\n3 faults\n")) == (1, True)


def test_check_reads_the_given_rules_or_none(run: Run, routes: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.yml", tmp_path / "more"
    two.mkdir()
    one.write_text(RULES.replace("summary: s", "runbook_url: x"))
    (two / "two.yaml").write_text(RULES.replace("summary: s", "runbook_url: x"))
    given = run("check", "--config", str(routes), "--rules", str(one), "--rules", str(two))
    assert (given.exit_code, "6 alerts in 2 rule files" in given.output) == (0, True)
    none = run("check", "--config", str(routes), "--no-rules")
    assert (none.exit_code, "no rules were read" in none.output) == (0, True)
    assert run("check", "--config", str(routes), "--no-rules", "--rules", str(one)).exit_code == 2
    assert run("check", "--config", str(routes), "--rules", str(tmp_path / "gone")).exit_code == 2


def test_check_as_json_has_the_rules(run: Run, routes: Path) -> None:
    report = json.loads(run("check", "--json", "--config", str(routes)).output)
    file = str(routes.parent / "rules" / "ml.yml")
    assert not report["ok"]
    assert [(each["file"], each["line"], each["path"]) for each in report["faults"]] == [
        (file, 4, "groups[0].rules[1]")
    ]
    errors, deployed, watchdog = report["rules"]
    assert tuple(errors[key] for key in ("alert", "severity", "channels", "depends_on", "way", "line")) == (
        "Errors",
        "critical",
        ["pagerduty-ml"],
        ["team"],
        "bridge",
        3,
    )
    assert (deployed["faults"], watchdog["way"]) == (["Deployed has no runbook_url"], "heartbeat")


def test_check_reports_faults_of_both_files_at_once(run: Run, routes: Path) -> None:
    routes.write_text(FAULTY)
    (routes.parent / "rules" / "bad.yml").write_text("groups: [\n")
    output = run("check", "--config", str(routes)).output
    assert "routes.yaml:4: route.notify[0]" in output
    assert "bad.yml:2: this is not YAML" in output
    assert "Deployed has no runbook_url" in output
    assert output.endswith("3 faults\n")


def test_every_shipped_rule_reaches_a_channel(run: Run) -> None:
    report = json.loads(run("check", "--json").output)
    assert report["ok"], report["faults"]
    assert "Watchdog" in {each["alert"] for each in report["rules"] if each["way"] == "heartbeat"}
    assert "AlertBridgeDown" in {each["alert"] for each in report["rules"] if each["way"] == "direct"}


def test_check_runs_the_template_check(run: Run, tmp_path: Path) -> None:
    """Of the user's templates: the bridge's own are no matter of the file."""
    (tmp_path / "mine").mkdir()
    path = tmp_path / "routes.yaml"
    path.write_text("templates: mine\n" + Path(ROUTES).read_text())
    result = run(
        "check", "--no-rules", "--config", str(path), obj={"check_templates": lambda each: [f"broken: {each}"]}
    )
    assert f"broken: {tmp_path / 'mine'}" in result.output
    without = run("check", "--no-rules", obj={"check_templates": lambda each: [f"broken: {each}"]})
    assert "broken" not in without.output


def test_check_finds_the_file_by_the_environment(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(FAULTY)
    group = click.Group(commands=COMMANDS)
    result = CliRunner().invoke(group, ["check"], env={"BRIDGE_CONFIG": str(path)}, obj={"environ": ENVIRON})
    assert f"{path}:4:" in result.output


def test_route_prints_the_channels_and_the_reason(run: Run) -> None:
    result = run("route", "severity=page", "alertname=X")
    assert result.exit_code == 0
    assert '=> route.routes[0] {severity="critical"}' in result.output
    assert "-> pagerduty-ml (pagerduty)" in result.output


def test_route_prints_the_matcher_that_failed(run: Run) -> None:
    output = run("route", "severity=info").output
    assert """-- route.routes[0] {severity="critical"}   fails severity="critical": it is 'info'""" in output
    assert 'fails severity="critical": the label is missing' in run("route").output


def test_route_as_json(run: Run) -> None:
    report = json.loads(run("route", "severity=warning", "--json").output)
    assert report["channels"] == ["email-ml"]
    assert [step["matched"] for step in report["steps"][1:]] == [False, True]


def test_route_at_another_time(run: Run, tmp_path: Path) -> None:
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
    assert run(*words, "noon").exit_code == 2


@pytest.mark.parametrize("word", ["severity", "=x"])
def test_route_refuses_an_invalid_label(run: Run, word: str) -> None:
    result = run("route", word)
    assert (result.exit_code, "write NAME=VALUE" in result.output) == (2, True)


def test_schema_prints_json(run: Run) -> None:
    assert "channels" in json.loads(run("schema").output)["properties"]


def test_hash_password_reads_standard_input(run: Run) -> None:
    result = run("hash-password", input="open sesame\n")
    assert check_password_hash(result.output.strip(), "open sesame")
    assert "open sesame" not in result.output
    assert run("hash-password", input="\n").exit_code == 1


def test_no_command_shows_a_secret(run: Run) -> None:
    for words in (("check",), ("check", "--json"), ("route", "severity=critical"), ("route", "--json")):
        output = run(*words).output
        assert not [secret for secret in ENVIRON.values() if secret in output]


def test_check_reports_advice_as_warnings(run: Run, routes: Path) -> None:
    text = TIERS.replace("matchers: [team=ml]", "matchers: [\"team='search'\"]")
    routes.write_text(text + "time_intervals: [{name: nights, time_intervals: [{weekdays: [sunday]}]}]\n")
    file = routes.parent / "rules" / "ml.yml"
    file.write_text(RULES.replace("summary: s", "runbook_url: x").replace("severity: info", "severity: Critical"))
    result = run("check", "--config", str(routes))
    assert f"{routes}:7: warning: route.routes[0].matchers[0]: this is read as team=\"'search'\"" in result.output
    assert f"{routes}:9: warning: time_intervals[0].name: no route uses the time interval 'nights'" in result.output
    assert "warning: channels.pagerduty-ml.routing_key: this is no routing key: it has 9 characters" in result.output
    assert f"{file}:4: groups[0].rules[1]: Deployed has the severity 'Critical', which is not known" in result.output
    assert (result.exit_code, result.output.endswith("\n1 fault\n")) == (1, True)


def test_check_fails_for_a_fault_with_which_the_bridge_would_start(run: Run, routes: Path) -> None:
    context = "context: {prometheus: {url: 'http://p'}, questions: [{name: q, title: Q, unit: count, expr: 'sum(x'}]}\n"
    routes.write_text(TIERS + context)
    result = run("check", "--config", str(routes), "--no-rules")
    assert f"{routes}:9: context.questions[0].expr: this is no PromQL: unclosed left parenthesis" in result.output
    assert (result.exit_code, "is good" in result.output) == (1, False)
    report = json.loads(run("check", "--config", str(routes), "--no-rules", "--json").output)
    assert (report["ok"], [fault["path"] for fault in report["faults"]]) == (False, ["context.questions[0].expr"])
    assert run("route", "a=b", "--config", str(routes)).exit_code == 0


def test_check_warns_of_templates_without_effect(run: Run, routes: Path) -> None:
    (routes.parent / "mine" / "slak-ml").mkdir(parents=True)
    (routes.parent / "mine" / "slak-ml" / "summary.txt").write_text("x")
    (routes.parent / "mine" / "sumary.txt").write_text("x")
    routes.write_text(TIERS + "templates: mine\n")
    output = run("check", "--config", str(routes), "--no-rules").output
    assert f"{routes}:9: warning: templates: slak-ml/ is not used" in output
    assert f"{routes}:9: warning: templates: sumary.txt has no effect; did you mean 'summary.txt'?" in output


@pytest.mark.parametrize(
    ("matcher", "label", "reached"),
    [
        ('"foo"="bar\\t"', "foo=bar\t", True),
        ('"foo"="bar\\t"', "foo=bar\\t", False),
        ('"\\U0001f642"="x"', "🙂=x", True),
        ('"service.name"!~"a|b"', "other=x", True),
        ('foo="bar\\t"', "foo=bar\\t", True),
        ('foo=""', "other=x", True),
        ("foo=b c", "foo=b c", True),
        ('{foo="b",other!="y"}', "foo=b", True),
    ],
)
def test_route_matches_as_alertmanager_does(run: Run, routes: Path, matcher: str, label: str, reached: bool) -> None:
    quoted = matcher.replace("'", "''")
    routes.write_text(TIERS.replace("matchers: [team=ml], notify: [slack-ml]", f"matchers: ['{quoted}'], notify: []"))
    report = json.loads(run("route", label, "--json", "--config", str(routes)).output)
    assert report["channels"] == ([] if reached else ["slack-ml"])
