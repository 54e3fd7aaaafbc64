"""Who descends from whom, in what state, and how: read from /proc, for tests that kill and stop real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path


def arguments(pid: int) -> list[str]:
    """Empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def environment(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def state(pid: int) -> str:
    """R, S, T and so on; empty for a process that has ended, a zombie too."""
    try:
        letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
    return "" if letter in "ZX" else letter


def alive(pids: Iterable[int]) -> dict[int, list[str]]:
    """Those that live, with their arguments, which make a failure readable."""
    return {pid: arguments(pid) for pid in pids if state(pid)}


def descendants(pid: int) -> list[int]:
    """With the process itself, parents before their children."""
    try:
        tasks = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
        children = [Path(f"/proc/{pid}/task/{task}/children").read_text().split() for task in tasks]
    except OSError:
        return [pid]
    return [pid, *(found for listed in children for child in listed for found in descendants(int(child)))]


def send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def python(code: str) -> list[str]:
    """The command that runs it."""
    return [sys.executable, "-c", code]


#: A program that has a drawing process of its own, and prints its number.
DRAWING = """
import asyncio
from bridge.charts.drawing_process import DrawingProcess
from tests.charts.chart_builders import a_chart
async def main():
    drawing = DrawingProcess(timeout_seconds=100)
    assert await drawing.draw(a_chart())
    print(drawing._process.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
