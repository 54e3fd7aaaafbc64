"""CPU and memory of processes and their descendants, from /proc."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
SAMPLE_SECONDS = 0.5


@dataclass
class Memory:
    """Megabytes, the most of any sample."""

    peak: float = 0.0


def family(*roots: int) -> list[int]:
    """The processes and all their descendants."""
    parents = {int(name): _parent(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    found = list(roots)
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def cpu_seconds(*roots: int) -> float:
    """User and system time, that of ended and awaited children included."""
    return sum(sum(int(value) for value in _stat(pid)[11:15]) for pid in family(*roots)) / TICKS


def peak_megabytes(root: int) -> float:
    """The sum of each process's own peak: pages that they share count more than once."""
    return sum(_kilobytes(PEAK, pid, "status") for pid in family(root)) / 1024


def pss_megabytes(*roots: int) -> float:
    """What they take of the machine just now: a page that processes share counts once in all."""
    return sum(_kilobytes(PSS, pid, "smaps_rollup") for pid in family(*roots)) / 1024


@contextlib.contextmanager
def sampled_memory(*roots: int) -> Iterator[Memory]:
    """Of all of them at a time, twice a second until the end of the block."""
    memory, over = Memory(), threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            memory.peak = max(memory.peak, pss_megabytes(*roots))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()
        memory.peak = max(memory.peak, pss_megabytes(*roots))


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 20


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _kilobytes(line: re.Pattern[str], pid: int, file: str) -> int:
    try:
        return kilobytes(line, Path(f"/proc/{pid}/{file}").read_text())
    except OSError:
        return 0


def kilobytes(line: re.Pattern[str], text: str) -> int:
    """0 where there is no such line, as in a process that has ended."""
    found = line.search(text)
    return int(found[1]) if found else 0
