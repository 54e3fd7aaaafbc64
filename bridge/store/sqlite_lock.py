"""Writers of one SQLite file take turns, whichever process they are in, and none waits for ever.

SQLite alone lets a waiting writer sleep and try again, so a busy one, which is back at once, would shut the others out
for seconds. The holder of `.turn` is next; a file's locks end with the process that has them.

Invariant: a writer locks the files that the paths lead to now, and no two writers share an opened file, which would
share its locks: neither two threads nor, after a fork, two processes.
"""

from __future__ import annotations

import fcntl
import functools
import os
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bridge.core.errors import StoreDown
from bridge.store.sqlite_files import open_private, who_locks

SECONDS = 5.0  #: a writer waits no longer; a transaction takes milliseconds
KEPT = 4  #: opened pairs of files that wait for the next writers


@functools.cache
def write_lock(database: str) -> WriteLock:
    """The one of this process for a database."""
    return WriteLock(Path(database))


class WriteLock:
    """Of one database. The kernel has no lock that is waited for with a limit, so a thread waits, and is waited for."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._idle: list[_Attempt] = []  # opening the files and starting a thread costs more than locking does
        self._late: _Attempt | None = None  # given up on, and waiting still: one is enough

    @contextmanager
    def held(self, seconds: float = SECONDS) -> Iterator[None]:
        """Raises StoreDown, with the name of the process that has the lock, and OSError."""
        until = time.monotonic() + seconds
        if (late := self._late) is not None and not late.ended.wait(seconds):
            raise StoreDown(locked(self._database, seconds))
        attempt = self._attempt()
        if not attempt.at_once() and not attempt.within(until - time.monotonic()):
            self._late = attempt
            raise StoreDown(locked(self._database, seconds))
        try:
            yield
        finally:
            self._end(attempt)

    def close_idle(self) -> None:
        """What is kept for the next writers: none is expected soon."""
        while self._idle:
            with suppress(IndexError):  # another thread was faster
                self._idle.pop().close()

    def _attempt(self) -> _Attempt:
        while self._idle:
            with suppress(IndexError):
                kept = self._idle.pop()
                if kept.is_current():
                    return kept
                kept.close()
        return _Attempt(Path(f"{self._database}.turn"), Path(f"{self._database}.lock"))

    def _end(self, attempt: _Attempt) -> None:
        if attempt.unlock() and len(self._idle) < KEPT:
            self._idle.append(attempt)
        else:
            attempt.close()


def locked(database: Path, seconds: float) -> str:
    """Why the lock was not acquired."""
    who = who_locks(database) or f"{database} is locked by another process"
    return f"{who}, and was not free within {seconds:g} s: if this lasts, end that process"


class _Attempt:
    """A writer's way through both files, and then another's. Raises OSError where they cannot be opened or locked."""

    def __init__(self, turn: Path, lock: Path) -> None:
        self.ended = threading.Event()
        self._guard = threading.Lock()
        self._abandoned = False
        self._fault: OSError | None = None
        self._waiter: threading.Thread | None = None
        self._wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()  # False: the waiter ends
        self._turn = open_private(turn)
        try:
            self._lock = open_private(lock)
        except OSError:
            os.close(self._turn)
            raise
        self._opened = [(str(place), _file(os.fstat(file))) for place, file in ((turn, self._turn), (lock, self._lock))]
        _OPENED.add(self)

    def is_current(self) -> bool:
        """Whether the paths still lead to these files."""
        try:
            return all(_file(os.lstat(place)) == opened for place, opened in self._opened)
        except OSError:
            return False

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
        self.ended.clear()
        if self._waiter is None:
            self._waiter = threading.Thread(target=self._serve, name="write lock", daemon=True)
            self._waiter.start()
        self._wanted.put(True)
        self.ended.wait(max(0.0, seconds))
        with self._guard:
            self._abandoned = not self.ended.is_set()
        if self._abandoned:  # its thread closes it
            return False
        if self._fault is not None:
            self.close()
            raise self._fault
        return True

    def unlock(self) -> bool:
        """Whether it can be used again."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        except OSError:
            return False
        return True

    def close(self) -> None:
        _OPENED.discard(self)
        self._wanted.put(False)
        self.close_files()

    def close_files(self) -> None:
        for file in (self._turn, self._lock):
            with suppress(OSError):
                os.close(file)

    def _serve(self) -> None:
        while self._wanted.get():
            self._wait()

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


_OPENED: set[_Attempt] = set()  #: of this process


def _file(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _forget_in_child() -> None:
    """A file that a forked process has open too keeps the lock of the one that died."""
    for attempt in _OPENED:
        attempt.close_files()
    _OPENED.clear()
    write_lock.cache_clear()


os.register_at_fork(after_in_child=_forget_in_child)
