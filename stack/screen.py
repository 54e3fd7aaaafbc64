"""The one screen that `make up` ends with: where to look, and three alerts to try."""

import shlex
from pathlib import Path

from stack.places import TOOLS
from stack.ports import Ports

# severity, alert name, what to expect, the summary that the message carries
TRIALS = (
    ("critical", "MLErrorRateCritical", "PagerDuty shows an incident", "12% of predictions fail"),
    ("warning", "HTTPLatencyP99High", "the team gets a mail", "P95 latency is 310 ms"),
    ("info", "MLModelDeployed", "Slack shows a message", "Version 2.4.0 is serving"),
)


def screen(ports: Ports, amtool: Path) -> str:
    return "\n".join(
        [
            *_addresses(ports, amtool),
            "",
            *_trials(ports, amtool),
            "",
            "Ctrl-C ends everything. Logs: .run/logs",
        ]
    )


def _addresses(ports: Ports, amtool: Path) -> list[str]:
    pages = " (Debian packs it without its pages: see amtool alert query)" if amtool.is_relative_to(TOOLS) else ""
    rows = (
        (ports.sandbox, "what people see: stand-ins for PagerDuty, Slack and mail"),
        (ports.bridge, "the bridge: incidents, and who heard of them"),
        (ports.alertmanager, f"Alertmanager{pages}"),
        (ports.prometheus, "Prometheus"),
        (ports.api_0, f"the watched toxicity API, with replicas on {ports.api_1} and {ports.api_2}"),
    )
    return ["Everything is running:", "", *(f"  http://127.0.0.1:{port:<6} {text}" for port, text in rows)]


def _trials(ports: Ports, amtool: Path) -> list[str]:
    lines = ["Try it in another terminal; each arrives within a few seconds:"]
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
