"""CPU and memory of a process and its descendants, from /proc."""

from __future__ import annotations

import os
import re
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def family(root: int) -> list[int]:
    """The process and all its descendants."""
    parents = {int(name): _parent(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def cpu_seconds(root: int) -> float:
    """User and system time, that of ended and awaited children included."""
    return sum(sum(int(value) for value in _stat(pid)[11:15]) for pid in family(root)) / TICKS


def peak_megabytes(root: int) -> float:
    """The sum of each process's own peak: pages that they share count more than once."""
    return sum(_peak_kilobytes(pid) for pid in family(root)) / 1024


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 20


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _peak_kilobytes(pid: int) -> int:
    try:
        found = PEAK.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0
