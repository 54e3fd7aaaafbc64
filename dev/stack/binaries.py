"""Finds prometheus, alertmanager, promtool, amtool and nginx: on PATH, else in .tools/, else fetched there with apt."""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from dev.stack import apt
from dev.stack.errors import StackError
from dev.stack.places import ROOT, TOOLS

PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "nginx": "nginx",
}
STACK = ("prometheus", "promtool", "alertmanager", "amtool")  #: what `make up` starts or names
SAYS_ITS_VERSION = {"nginx": "-v"}  # the others take --version
OTHER_NAMES = {"alertmanager": ("prometheus-alertmanager",)}  # as Debian and Ubuntu call it

ADVICE = """\
Install them in one of these ways, then run make again:
  Debian, Ubuntu:  sudo apt install prometheus prometheus-alertmanager nginx
                   (that also starts them as services on ports 9090, 9093 and 80: sudo systemctl disable --now
                   prometheus prometheus-alertmanager nginx)
  elsewhere:       put prometheus, promtool, alertmanager and amtool from https://prometheus.io/download/ on PATH, and
                   for the tests nginx from your distribution"""


def find(name: str) -> Path:
    """The tool's absolute path. Never fetches anything: `make tools` does."""
    path = _look_up(name)
    if path is None:
        raise StackError(f"{name} is neither on PATH nor in {TOOLS}. Run `make tools` to fetch it there.")
    return path


def working_folder(binary: Path) -> Path:
    """Where to start a program: one that was fetched looks for its files from there (apt.relocate)."""
    return TOOLS / "usr" if binary.is_relative_to(TOOLS) else ROOT


def ensure(say: Callable[[str], None], names: Sequence[str] = tuple(PACKAGES)) -> dict[str, Path]:
    """All of the names, fetched when they are missing."""
    missing = [name for name in names if _look_up(name) is None]
    if missing:
        say(f"Fetching {' and '.join(_packages(missing))} into .tools (up to 30 MB, the first time only)")
        _fetch(missing)
    return {name: find(name) for name in names}


def _fetch(missing: list[str]) -> None:
    try:
        apt.unpack(_packages(missing), TOOLS)
    except StackError as fault:
        raise StackError(f"Not found: {', '.join(missing)}.\n{fault}\n{ADVICE}") from fault
    still = [name for name in missing if _look_up(name) is None]
    if still:
        raise StackError(f"Fetched, but they do not run on this machine: {', '.join(still)}.\n{ADVICE}")


def _packages(names: list[str]) -> list[str]:
    return sorted({PACKAGES[name] for name in names})


def _look_up(name: str) -> Path | None:
    if name not in PACKAGES:
        raise StackError(f"{name!r} is none of the tools: {', '.join(PACKAGES)}.")
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *(str(TOOLS / "usr" / each) for each in ("bin", "sbin"))]
    names = (name, *OTHER_NAMES.get(name, ()))
    found = (shutil.which(candidate, path=folder) for folder in folders if folder for candidate in names)
    flag = SAYS_ITS_VERSION.get(name, "--version")
    return next((Path(path).absolute() for path in found if path and _runs(path, flag)), None)


@functools.cache
def _runs(path: str, flag: str) -> bool:
    try:
        return subprocess.run([path, flag], check=False, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
