"""The final screen of `make up`: addresses, and three alerts to try."""

import shlex
from pathlib import Path

from dev.stack.places import TOOLS
from dev.stack.ports import Ports
from dev.stack.speed import Tempo

# severity, alert name, what to expect, the message's summary. No rule has these names: a drill waits
# until nothing else fires under the name of its alert.
TRIALS = (
    ("critical", "DemoErrors", "PagerDuty shows an incident", "12% of predictions fail"),
    ("warning", "DemoLatency", "the team gets a mail", "P95 latency is 310 ms"),
    ("info", "DemoDeployment", "Slack shows a message", "Version 2.4.0 is serving"),
)


def screen(ports: Ports, amtool: Path, tempo: Tempo, bridge: str = ".run/bridge") -> str:
    """bridge: the command for this run's bridge."""
    return "\n".join(
        [
            *_addresses(ports, amtool),
            "",
            *_trials(ports, amtool, tempo),
            *_time(tempo),
            "",
            f"The bridge's incidents:  {bridge} incidents list        Ctrl-C ends everything. Logs: .run/logs",
        ]
    )


def _time(tempo: Tempo) -> list[str]:
    lines = ["To see a real fault become a real alert, in another terminal:  make drill SCENARIO=errors  (or =list)"]
    if tempo.speed == 1:
        return [*lines, "Time is real, so a drill takes as long as in production; make up SPEED=30 is quicker."]
    lines.append(f"Time runs {tempo.speed} times faster for the rules: a range of `5m` is {300 / tempo.speed:g} s.")
    return [*lines, *([tempo.note()] if tempo.note() else [])]


def _addresses(ports: Ports, amtool: Path) -> list[str]:
    pages = " (Debian packs it without its pages: see amtool alert query)" if amtool.is_relative_to(TOOLS) else ""
    rows = (
        (ports.sandbox, "what responders see: stand-ins for PagerDuty, Slack and mail"),
        (ports.bridge, "the bridge: incidents, who was notified, and what to do (/runbooks/)"),
        (ports.alertmanager, f"Alertmanager{pages}"),
        (ports.prometheus, "Prometheus"),
        (ports.api_0, f"the watched toxicity API, with replicas on {ports.api_1} and {ports.api_2}"),
    )
    return ["Everything is running:", "", *(f"  http://127.0.0.1:{port:<6} {text}" for port, text in rows)]


def _trials(ports: Ports, amtool: Path, tempo: Tempo) -> list[str]:
    soon = "half a minute" if tempo.speed == 1 else "a few seconds"
    lines = [f"Try it in another terminal; each arrives within {soon}:"]
    for severity, alertname, expectation, summary in TRIALS:
        lines += [
            "",
            f"  {severity}: {expectation}",
            f"  {command(ports, amtool, alertname, severity, summary)}",
        ]
    end = '--end="$(date -u +%Y-%m-%dT%H:%M:%SZ)"'
    return [*lines, "", f"To resolve one, run it again with  {end}  (after 5 minutes it does so by itself)."]


def command(ports: Ports, amtool: Path, alertname: str, severity: str, summary: str) -> str:
    words = [str(amtool), f"--alertmanager.url=http://127.0.0.1:{ports.alertmanager}", "alert", "add"]
    words += [f"alertname={alertname}", f"severity={severity}", "namespace=ml", "job=toxicity-api"]
    return shlex.join([*words, f"--annotation=summary={summary}"])
