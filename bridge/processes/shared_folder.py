"""The temporary folder in which the metrics of all processes of one `bridge serve` meet. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

_NAME, _IN_USE = "incident-bridge-metrics-", "in-use"


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """lock: an open file that all its processes keep open, by which others see that it is in use."""

    path: Path
    lock: int

    @classmethod
    def make(cls) -> SharedFolder:
        """Raises OSError where no temporary folder can be made."""
        _remove_left_overs(Path(tempfile.gettempdir()))
        path = Path(tempfile.mkdtemp(prefix=_NAME))
        lock = os.open(path / _IN_USE, os.O_WRONLY | os.O_CREAT, 0o600)
        with contextlib.suppress(OSError):  # where no process can lock, none removes it either
            fcntl.flock(lock, fcntl.LOCK_SH)
        return cls(path, lock)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_left_overs(parent: Path) -> None:
    """The folders of supervisors that were killed, once none of their children lives either: all hold the lock."""
    for folder in parent.glob(f"{_NAME}*"):
        with contextlib.suppress(OSError), (folder / _IN_USE).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
