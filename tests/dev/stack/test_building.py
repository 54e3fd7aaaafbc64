"""A build machine is notified of everything that fails: no failure keeps another stage from being run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from dev.stack.places import ROOT

#: Leaves what it was asked for in $SAID, and fails for what $FAILS names.
STAND_IN = """#!/bin/sh
echo "$*" >> "$SAID"
case "$*" in *"stack tool"*) echo "$0"; exit ;; esac
for word in $FAILS; do case " $* " in *" $word "*) exit "${STATUS:-1}" ;; esac; done
"""


def run(words: list[str], folder: Path, fails: str, status: int = 1) -> tuple[int, str, list[str]]:
    """Its exit code, what it printed, and what the stand-in was asked for."""
    folder.mkdir(exist_ok=True)
    for name in ("make", "python"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    said = folder / "said"
    environment = {**os.environ, "SAID": str(said), "FAILS": fails, "STATUS": str(status), "MAKEFLAGS": ""}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout + done.stderr, said.read_text().splitlines()


@pytest.mark.parametrize(
    ("fails", "status", "message"),
    [("", 0, ""), ("pytest", 1, "Failed: pytest"), ("pytest", 5, "Failed: pytest"), ("test", 1, "Failed: rules-test")],
    ids=["nothing", "pytest", "no test found", "rules"],
)
def test_make_test_runs_the_rule_tests_whatever_pytest_says(
    tmp_path: Path, fails: str, status: int, message: str
) -> None:
    words = ["make", "-o", ".venv/.dev", "-o", "tools", "test", f"BIN={tmp_path}"]
    code, printed, asked = run(words, tmp_path, fails, status)
    assert [any(each in line for line in asked) for each in ("-m pytest", "test rules rules/tests/")] == [True, True]
    assert (code != 0, message in printed) == (bool(fails), True)


@pytest.mark.parametrize("fails", ["", "check", "mutate", "test", "bench-check", "soak", "check test soak"])
def test_a_build_runs_every_stage_and_names_those_that_failed(tmp_path: Path, fails: str) -> None:
    path = os.environ["PATH"]
    words = ["env", f"PATH={tmp_path}:{path}", "bash", ".ci/run"]
    code, printed, asked = run(words, tmp_path, fails)
    first, *beside, test, bench, soak = (line.split()[0] for line in asked)
    assert (first, sorted(beside), test, bench, soak) == (
        ".venv/.dev",
        ["check", "mutate"],
        "test",
        "bench-check",
        "soak",
    )
    assert bool(fails) == (code != 0)
    assert fails.split() == [line.split()[2] for line in printed.splitlines() if line.startswith("Failed: ")]


def test_a_build_without_its_tools_ends_at_once(tmp_path: Path) -> None:
    words = ["env", f"PATH={tmp_path}:{os.environ['PATH']}", "bash", ".ci/run"]
    code, printed, asked = run(words, tmp_path, "tools")
    assert (code, len(asked)) == (1, 1) and "nothing was checked" in printed
