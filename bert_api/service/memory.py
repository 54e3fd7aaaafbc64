"""This process's memory and its limit.

A control group (version 2) comes first: its numbers are those that the kernel kills by. Where it has no limit and
contains other processes too (a desktop session), resident memory is reported instead.
https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
SELF = Path("/proc/self")


class Memory:
    """Both answers in bytes. The folders are arguments so that a test can lay out its own."""

    def __init__(self, root: Path = ROOT, process: Path = SELF) -> None:
        self._process = process
        self._group = _group(root, process)

    def limit(self) -> float:
        """0 when there is none."""
        text = _read(self._group / "memory.max") if self._group else ""
        return float(text) if text.isdigit() else 0.0

    def usage(self) -> float:
        """As the kubelet counts it: without file pages that the kernel can drop at once."""
        current = _read(self._group / "memory.current") if self._group else ""
        if self._group is None or not current.isdigit() or not (self.limit() or self._is_alone()):
            return self._resident()
        return max(0.0, float(current) - _inactive_file(self._group))

    def _is_alone(self) -> bool:
        return self._group is not None and len(_read(self._group / "cgroup.procs").split()) == 1

    def _resident(self) -> float:
        fields = _read(self._process / "statm").split()
        return float(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0.0


def _group(root: Path, process: Path) -> Path | None:
    """Our folder below the root of version 2. Seen from inside a container the path may not exist: then the root."""
    for line in _read(process / "cgroup").splitlines():
        if line.startswith("0::"):
            named = root / line[3:].strip().lstrip("/")
            return next((folder for folder in (named, root) if (folder / "memory.current").is_file()), None)
    return None


def _inactive_file(group: Path) -> float:
    for line in _read(group / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file" and value.isdigit():
            return float(value)
    return 0.0


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
