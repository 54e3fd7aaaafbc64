"""Metrics of processes that share a folder, so that one of them exposes all: prometheus_client's multiprocess mode.

Its files are named by role, web or worker, rather than by pid: a restarted process continues its predecessor's
counters, nothing vanishes, and no stale file is left.

Invariant: metrics never stop a process from working.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import time
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
LIVE: Final = "livemostrecent"  #: the gauges' mode: those of ended processes are not exposed
_KINDS = ("counter", "histogram", f"gauge_{LIVE}")
_ROOM = 64 * mmap.PAGESIZE  #: bytes of each file, about 1,000 series; it grows beyond that
_OF_A_PID = re.compile(r"[a-z_]+_\d+\.db")


class SharedFiles:
    """This process's files in the folder. Create it once, before the first metric."""

    def __init__(self, folder: Path, name: str) -> None:
        """Raises OSError if the folder cannot be used."""
        self.folder = folder
        self.slot, self._lock = _take_slot(folder, name)
        for place in folder.iterdir():
            gone = place.match(f"gauge_*_{self.slot}.db") or _OF_A_PID.fullmatch(place.name)
            if gone or (place.match(f"*_{self.slot}.db") and not _is_whole(place)):
                place.unlink(missing_ok=True)
        for kind in _KINDS:
            _allocate(folder / f"{kind}_{self.slot}.db")
        values.ValueClass = values.MultiProcessValue(lambda: self.slot)  # type: ignore[no-untyped-call]

    def of_all(self) -> CollectorRegistry:
        """The counters of all processes, and the gauges of running ones."""
        for place in self.folder.glob("*.lock"):
            if place.stem != self.slot:
                _forget_if_dead(place)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self.folder))  # type: ignore[no-untyped-call]
        return registry


def shared_files(name: str) -> SharedFiles | None:
    """None without a shared folder. Raises OSError if the folder cannot be used."""
    values.ValueClass = values.MutexValue
    folder = os.environ.get(VARIABLE)
    return SharedFiles(Path(folder), name) if folder else None


def _take_slot(folder: Path, name: str) -> tuple[str, int]:
    """The first slot that no other process has locked; the lock ends with the process."""
    slots = (*[name] * 5, *(f"{name}-{number}" for number in range(2, 100)))
    for slot in slots:
        lock = os.open(folder / f"{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            if slot == name:
                time.sleep(0.05)  # another process may only be checking whether it is free
        else:
            return slot, lock
    raise OSError(f"{len(slots)} processes write metrics into {folder}: give each its own with {VARIABLE}")


def _forget_if_dead(lock: Path) -> None:
    file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mark_process_dead(lock.stem, str(lock.parent))  # type: ignore[no-untyped-call]
    except OSError:  # the process is running
        return
    finally:
        os.close(file)


def _is_whole(place: Path) -> bool:
    """Whether the file is readable; a power failure may have corrupted it."""
    try:
        return all(isinstance(key, str) for key, *_ in MmapedDict.read_all_values_from_file(str(place)))  # type: ignore[no-untyped-call]
    except Exception:
        return False


def _allocate(place: Path) -> None:
    """Allocates disk blocks: writing into a mapped hole on a full disk kills the process with SIGBUS."""
    file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(file, 0, _ROOM)
    finally:
        os.close(file)
