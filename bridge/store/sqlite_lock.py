"""Writers of one SQLite file take turns, whichever process they are in, and none waits for ever.

SQLite alone lets a waiting writer sleep and try again, so a busy one, which is back at once, would shut the others out
for seconds. The holder of `.turn` is next; a file's locks end with the process that has them.
"""

from __future__ import annotations

import fcntl
import functools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.core.errors import StoreDown
from bridge.store.sqlite_files import open_private, who_locks

SECONDS = 5.0  #: a writer waits no longer; a transaction takes milliseconds


@functools.cache
def write_lock(database: str) -> WriteLock:
    """The one of this process for a database."""
    return WriteLock(Path(database))


class WriteLock:
    """Of one database. The kernel has no lock that is waited for with a limit, so a thread waits, and is waited for."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._turn, self._lock = Path(f"{database}.turn"), Path(f"{database}.lock")
        self._late: _Attempt | None = None  # given up on, and waiting still: one is enough

    @contextmanager
    def held(self, seconds: float = SECONDS) -> Iterator[None]:
        """Raises StoreDown, with the name of the process that has the lock, and OSError."""
        until = time.monotonic() + seconds
        if (late := self._late) is not None and not late.ended.wait(seconds):
            raise StoreDown(locked(self._database, seconds))
        attempt = _Attempt(self._turn, self._lock)
        if not attempt.at_once() and not attempt.within(until - time.monotonic()):
            self._late = attempt
            raise StoreDown(locked(self._database, seconds))
        try:
            yield
        finally:
            attempt.close()


def locked(database: Path, seconds: float) -> str:
    """Why the lock was not acquired."""
    who = who_locks(database) or f"{database} is locked by another process"
    return f"{who}, and was not free within {seconds:g} s: if this lasts, end that process"


class _Attempt:
    """One writer's way through both files. Raises OSError where they cannot be opened or locked."""

    def __init__(self, turn: Path, lock: Path) -> None:
        self.ended = threading.Event()
        self._guard = threading.Lock()
        self._abandoned = False
        self._fault: OSError | None = None
        self._turn = open_private(turn)
        try:
            self._lock = open_private(lock)
        except OSError:
            os.close(self._turn)
            raise

    def at_once(self) -> bool:
        """Keeps what it has taken: the holder of the turn is next."""
        try:
            for file in (self._turn, self._lock):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            self.close()
            raise
        fcntl.flock(self._turn, fcntl.LOCK_UN)
        return True

    def within(self, seconds: float) -> bool:
        threading.Thread(target=self._wait, name="write lock", daemon=True).start()
        self.ended.wait(max(0.0, seconds))
        with self._guard:
            self._abandoned = not self.ended.is_set()
        if self._fault is not None:
            self.close()
            raise self._fault
        return not self._abandoned

    def _wait(self) -> None:
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            fcntl.flock(self._turn, fcntl.LOCK_UN)
        except OSError as fault:
            self._fault = fault
        with self._guard:
            if self._abandoned:
                self.close()
            self.ended.set()

    def close(self) -> None:
        for file in (self._turn, self._lock):
            with suppress(OSError):
                os.close(file)
