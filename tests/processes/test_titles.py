"""What `ps` and `top` call a process that has set its title."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the title is Linux's alone")

TITLED = """
import sys
from pathlib import Path
from bridge.processes.titles import set_title
set_title({words!r})
print(Path("/proc/self/cmdline").read_bytes().split(b"\\0"))
print(Path("/proc/self/comm").read_text().strip())
"""


def titled(words: list[str], *more: str) -> tuple[list[bytes], str]:
    program = [sys.executable, "-c", TITLED.format(words=words), *more]
    shown = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60).stdout
    arguments, name = shown.splitlines()
    found: list[bytes] = eval(arguments)
    return found, name


def test_its_arguments_are_the_words_and_its_name_their_short_form() -> None:
    arguments, name = titled(["bridge", "worker", "--config", "x"])
    assert [each for each in arguments if each] == [b"bridge", b"worker", b"--config", b"x"]
    assert name == "bridge-worker--"[:15]


def test_nothing_is_left_of_what_it_was_started_with() -> None:
    arguments, _ = titled(["bridge", "web"], "--database", "postgresql://bridge:very-secret@db/bridge")
    assert [each for each in arguments if each] == [b"bridge", b"web"]


def test_what_has_no_room_is_left_out() -> None:
    arguments, _ = titled(["bridge", "web", "x" * 100_000])
    assert arguments[:2] == [b"bridge", b"web"] and set(arguments[2]) == set(b"x")
