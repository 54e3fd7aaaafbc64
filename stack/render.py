"""The files of docker/ as they must read on one machine: other addresses and paths, and shorter waits for groups.

Each replacement is listed, and one that finds nothing to replace is an error: a changed file must not go unnoticed.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from stack.errors import StackError
from stack.places import ROOT, Places
from stack.ports import Ports

PROMETHEUS = ROOT / "docker" / "prometheus" / "prometheus.yml"
ALERTMANAGER = ROOT / "docker" / "alertmanager" / "alertmanager.yml"
USUAL_TRAFFIC, MOST_TRAFFIC = 4, 500


def prometheus(ports: Ports) -> dict[str, str]:
    return {
        "- /etc/prometheus/rules/*.yml": f"- {quoted(ROOT / 'rules' / '*.yml')}",
        "bridge:9119": f"127.0.0.1:{ports.bridge}",
        "prometheus:9090": f"127.0.0.1:{ports.prometheus}",
        '"alertmanager-1:9093", "alertmanager-2:9093"': f'"127.0.0.1:{ports.alertmanager}"',
        **{f"toxicity-api-{number}:8100": f"127.0.0.1:{port}" for number, port in enumerate(ports.replicas)},
    }


def alertmanager(ports: Ports, places: Places) -> dict[str, str]:
    """Somebody who tries it out wants to see it in seconds: 2 s instead of 10 s to collect a new group, 5 s instead
    of 30 s where it waits for what may mute it, and 10 s instead of 1 m before a group that changed is sent again."""
    token, key = places.secrets / "alertmanager_token", places.secrets / "pagerduty_routing_key"
    return {
        "group_wait: 10s": "group_wait: 2s",
        "group_wait: 30s": "group_wait: 5s",
        "group_interval: 1m": "group_interval: 10s",
        "http://bridge:9119/": f"http://127.0.0.1:{ports.bridge}/",
        "http://sandbox:9911/": f"http://127.0.0.1:{ports.sandbox}/",
        "credentials_file: /etc/alertmanager/secrets/alertmanager_token": f"credentials_file: {quoted(token)}",
        "routing_key_file: /etc/alertmanager/secrets/pagerduty_routing_key": f"routing_key_file: {quoted(key)}",
    }


def environment(ports: Ports) -> dict[str, str]:
    """What routes.yaml asks of the environment: the sandbox is every vendor, whatever the caller's shell says."""
    sandbox = f"http://127.0.0.1:{ports.sandbox}"
    return {
        "ALERTMANAGER_URL": f"http://127.0.0.1:{ports.alertmanager}",
        "PROMETHEUS_URL": f"http://127.0.0.1:{ports.prometheus}",
        "BRIDGE_EXTERNAL_URL": f"http://127.0.0.1:{ports.bridge}",
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
        raise StackError(f"{file} does not contain what stack/render.py replaces; change both together:{expected}")
    for expected, replacement in replacements.items():
        text = text.replace(expected, replacement)
    return f"# Written by `make up` from {file.relative_to(ROOT)}; change that file instead.\n{text}"


def write_monitoring(folder: Path, ports: Ports, places: Places) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(replaced(PROMETHEUS, prometheus(ports)), encoding="utf-8")
    (folder / "alertmanager.yml").write_text(replaced(ALERTMANAGER, alertmanager(ports, places)), encoding="utf-8")
