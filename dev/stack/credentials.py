"""New random credentials for each run, so that none can be in the repository: by environment, and by private files."""

import os
import subprocess
import sys

from dev.stack.errors import StackError
from dev.stack.places import ROOT, Places

NAMES = ("PAGERDUTY_ROUTING_KEY", "SLACK_BOT_TOKEN", "ALERTMANAGER_TOKEN")


def create(places: Places) -> dict[str, str]:
    secrets = parsed(_asked())
    for name in NAMES:
        _write(places, name.lower(), secrets[name])
    return secrets


def parsed(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    secrets = {name.strip(): value.strip() for name, _, value in pairs}
    missing = [name for name in NAMES if not secrets.get(name)]
    if missing:
        raise StackError(f"`python -m dev.sandbox credentials` did not say {', '.join(missing)}.")
    return secrets


def _asked() -> str:
    words = [sys.executable, "-m", "dev.sandbox", "credentials"]
    done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise StackError(f"`python -m dev.sandbox credentials` failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def _write(places: Places, name: str, value: str) -> None:
    """Created private: between a write and a later chmod any user could read it."""
    file = places.secrets / name
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(value)
