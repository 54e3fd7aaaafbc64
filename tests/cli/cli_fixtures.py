"""A database with incidents, and the command line as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreIntake, open_database
from tests.builders import a_group, an_alert, at

ROOT = Path(__file__).parents[2]
ROUTES = str(ROOT / "routes.yaml")


def with_incidents(url: str, count: int = 1, *, alertname: str = "HighErrors", severity: str = "critical") -> str:
    engine = open_database(url)
    policy = Policy(Rules(), Route(notify=("slack-ml",)), {"slack-ml": ChannelSpec("slack-ml")})
    intake = StoreIntake(engine, lambda: policy, lambda: at(0))
    for number in range(count):
        intake.accept(a_group(an_alert(alertname, severity), key=f"{alertname} {severity} {number}"))
    intake.close()
    engine.dispose()
    return url


def run(*words: str, stdin: str = "", environ: dict[str, str] | None = None) -> Result:
    """In this process. An exception other than SystemExit would have been a traceback."""
    from bridge.cli.main import main

    return CliRunner().invoke(main, list(words), input=stdin, env=environ)


def is_traceback(result: Result) -> bool:
    return result.exception is not None and not isinstance(result.exception, SystemExit)


def process(*words: str, shell: str = "", **environ: str) -> subprocess.CompletedProcess[bytes]:
    """A process of its own; `shell` is what follows the command in the shell, such as `| head`."""
    command = [sys.executable, "-m", "bridge", *words]
    kept = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(ROOT)}
    line = ["bash", "-c", f'set -o pipefail; "$@" {shell}', "bash", *command]
    return subprocess.run(line, env={**kept, **environ}, capture_output=True, timeout=300, check=False)
