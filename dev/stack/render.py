"""Rewrites the files of docker/ for one machine: other addresses and paths, and faster time.

Each replacement is listed, and one that finds nothing to replace is an error: a changed file must not go unnoticed.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from dev.stack import promql, speed
from dev.stack.errors import StackError
from dev.stack.places import ROOT, Places
from dev.stack.ports import Ports
from dev.stack.speed import Tempo

PROMETHEUS = ROOT / "docker" / "prometheus" / "prometheus.yml"
ALERTMANAGER = ROOT / "docker" / "alertmanager" / "alertmanager.yml"
USUAL_TRAFFIC, MOST_TRAFFIC = 4, 500
SHORTEST_WAIT, SHORTEST_GROUP_INTERVAL = 1000, 3000  # milliseconds
EVALUATIONS_TO_BE_MUTED = 3  # what may mute an alert is evaluated in a group of its own, and sent on its own


def prometheus(ports: Ports, rules: Path, tempo: Tempo) -> dict[str, str]:
    interval = promql.duration(tempo.interval)
    return {
        "- /etc/prometheus/rules/*.yml": f"- {quoted(rules / '*.yml')}",
        "scrape_interval: 15s": f"scrape_interval: {interval}",
        "evaluation_interval: 15s": f"evaluation_interval: {interval}",
        "bridge:9119": f"127.0.0.1:{ports.bridge}",
        "prometheus:9090": f"127.0.0.1:{ports.prometheus}",
        '"alertmanager-1:9093", "alertmanager-2:9093"': f'"127.0.0.1:{ports.alertmanager}"',
        **{f"toxicity-api-{number}:8100": f"127.0.0.1:{port}" for number, port in enumerate(ports.replicas)},
    }


def alertmanager(ports: Ports, places: Places, tempo: Tempo) -> dict[str, str]:
    """Its waits are divided as the rules are. Where it waits for what may mute an alert, it goes on waiting for longer
    than Prometheus takes to evaluate every rule."""
    token, key = places.secrets / "alertmanager_token", places.secrets / "pagerduty_routing_key"
    return {
        "group_wait: 10s": f"group_wait: {_wait('10s', tempo, SHORTEST_WAIT)}",
        "group_wait: 30s": f"group_wait: {_wait('30s', tempo, EVALUATIONS_TO_BE_MUTED * tempo.interval)}",
        "group_interval: 1m": f"group_interval: {_wait('1m', tempo, SHORTEST_GROUP_INTERVAL)}",
        "repeat_interval: 4h": f"repeat_interval: {_wait('4h', tempo, SHORTEST_GROUP_INTERVAL)}",
        "http://bridge:9119/": f"http://127.0.0.1:{ports.bridge}/",
        "http://sandbox:9911/": f"http://127.0.0.1:{ports.sandbox}/",
        "http://127.0.0.1:9119/runbooks": f"http://127.0.0.1:{ports.bridge}/runbooks",
        "credentials_file: /etc/alertmanager/secrets/alertmanager_token": f"credentials_file: {quoted(token)}",
        "routing_key_file: /etc/alertmanager/secrets/pagerduty_routing_key": f"routing_key_file: {quoted(key)}",
    }


def _wait(text: str, tempo: Tempo, least: int) -> str:
    whole = promql.milliseconds(text)
    return promql.duration(max(round(whole / tempo.speed), min(least, whole)))


def environment(ports: Ports) -> dict[str, str]:
    """The variables of routes.yaml: the sandbox is every vendor, whatever the caller's environment."""
    sandbox = f"http://127.0.0.1:{ports.sandbox}"
    return {
        "ALERTMANAGER_URL": f"http://127.0.0.1:{ports.alertmanager}",
        "PROMETHEUS_URL": f"http://127.0.0.1:{ports.prometheus}",
        "BRIDGE_EXTERNAL_URL": f"http://127.0.0.1:{ports.bridge}",
        "RUNBOOK_BASE_URL": f"http://127.0.0.1:{ports.bridge}/runbooks",
        "PAGERDUTY_BASE_URL": sandbox,
        "SLACK_BASE_URL": f"{sandbox}/api/",
        "SMTP_SMARTHOST": f"127.0.0.1:{ports.smtp}",
        "SMTP_TLS": "none",
    }


def api_environment(places: Places, caller: Mapping[str, str]) -> dict[str, str]:
    """One state for all replicas. Drills are allowed, for only this machine can reach them, unless the caller's
    shell says otherwise."""
    return {
        "BERT_API_STATE": str(places.api_state),
        "BERT_API_DRILLS": caller.get("BERT_API_DRILLS") or "1",
        "BERT_API_GIT_SHA": caller.get("BERT_API_GIT_SHA") or commit(),
    }


def commit() -> str:
    """Of the checkout, for the metrics; a copy without its history has none."""
    try:
        words = ["git", "rev-parse", "--short=12", "HEAD"]
        done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def traffic(caller: Mapping[str, str]) -> float:
    """UP_TRAFFIC, in requests a second: some by default, so that the dashboards live, and 0 for none."""
    text = caller.get("UP_TRAFFIC") or str(USUAL_TRAFFIC)
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_TRAFFIC):
        raise StackError(f"UP_TRAFFIC={text!r} is not a rate: write whole requests a second, 0 to {MOST_TRAFFIC}.")
    return float(text)


def require_variables(file: Path, names: Iterable[str]) -> None:
    """An address written out in routes.yaml would make this run send to the real one, with credentials it knows not."""
    text = file.read_text(encoding="utf-8")
    missing = [name for name in names if f"${{{name}" not in text]
    if missing:
        raise StackError(
            f"{file} does not take these from the environment any more: {', '.join(missing)}. `make up` needs them\n"
            "there to put the sandbox in the vendors' place: write ${NAME:-your address}."
        )


def quoted(path: Path) -> str:
    """A path may contain what YAML would read otherwise; JSON's quotes are YAML's too."""
    return json.dumps(str(path), ensure_ascii=False)


def replaced(file: Path, replacements: Mapping[str, str]) -> str:
    text = file.read_text(encoding="utf-8")
    missing = [expected for expected in replacements if expected not in text]
    if missing:
        expected = "".join(f"\n  {line}" for line in missing)
        raise StackError(f"{file} does not contain what dev/stack/render.py replaces; change both together:{expected}")
    for expected, replacement in replacements.items():
        text = text.replace(expected, replacement)
    return f"# Written by `make up` from {file.relative_to(ROOT)}; change that file instead.\n{text}"


def write_monitoring(folder: Path, ports: Ports, places: Places, tempo: Tempo) -> None:
    """The rules too, below rules/. Raises StackError."""
    rules = folder.resolve() / "rules"
    speed.write_rules(rules, tempo)
    written = {
        "prometheus.yml": replaced(PROMETHEUS, prometheus(ports, rules, tempo)),
        "alertmanager.yml": replaced(ALERTMANAGER, alertmanager(ports, places, tempo)),
    }
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
