"""The files of an SQLite database: readable by their owner alone, and still the ones that were opened.

Invariant: a commit counts only while the path leads to the file that it went into. SQLite would go on writing into one
that was deleted or replaced, and say that all is well: https://www.sqlite.org/howtocorrupt.html#unlink
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.observability import logs

log = logs.get("store")
PRIVATE = 0o600
#: Beside the database, or beside what it links to: SQLite's log, its index, its rollback journal.
OF_SQLITE = ("-wal", "-shm", "-journal")
OF_WRITERS = (".turn", ".lock")  #: what writers lock
_Identity = tuple[int, int] | None  #: device and inode; None where there is nothing


def create_private(database: Path) -> None:
    """An empty file where there is none. SQLite gives its log and index the mode of the database. Raises OSError.

    One that is there is not opened: to close it would end this process's locks on it.
    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))


def open_private(place: Path) -> int:
    """A file descriptor for locking; the file is made where there is none. Raises OSError."""
    return os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)


def make_private(database: Path) -> None:
    """Take away what others may do with files of an earlier version. Where that is not ours to do, say so."""
    real = os.path.realpath(database)
    beside = [f"{real}{suffix}" for suffix in OF_SQLITE] + [f"{database}{suffix}" for suffix in OF_WRITERS]
    for place in (database, *map(Path, beside)):
        with suppress(FileNotFoundError):
            found = place.stat().st_mode
            if stat.S_ISREG(found) and found & 0o077:
                _restrict(place, stat.S_IMODE(found))


def _restrict(place: Path, mode: int) -> None:
    try:
        place.chmod(mode & 0o700)
        log.warning("file_mode_restricted", file=str(place), was=f"{mode:04o}", why="others could read or lock it")
    except OSError as fault:
        log.warning("file_mode_not_restricted", file=str(place), mode=f"{mode:04o}", why=str(fault))


@dataclass(frozen=True, slots=True)
class OpenedFiles:
    """Which files one connection has open: the database, its log and the log's index."""

    path: str  #: as it was configured
    found: tuple[tuple[str, _Identity], ...]

    def lost(self) -> Path | None:
        """The first that the path does not lead to any more."""
        for place, before in self.found:  # twice for each transaction, so with text rather than paths
            if _identity(place, self.path) != before:
                return Path(place)
        return None

    def without_log(self) -> OpenedFiles:
        """What is left when no connection is open: SQLite takes the log and its index away."""
        return OpenedFiles(self.path, self.found[:1])


def opened_files(path: Path) -> OpenedFiles:
    """As they are now. SQLite names the other two after the file that a link leads to."""
    real = os.path.realpath(path)
    places = (str(path), f"{real}-wal", f"{real}-shm")
    return OpenedFiles(str(path), tuple((place, _identity(place, str(path))) for place in places))


def in_words(path: Path, lost: Path) -> str:
    """What happened to a file of the database at `path`, and what to do."""
    what = f"{lost} was deleted, moved or unmounted"
    with suppress(OSError):
        what = f"another file was put in place of {lost}" if lost.stat().st_size else f"{lost} was emptied"
    way_out = f"put it back, or stop the bridge, make sure that {path} is the right one, and restart"
    if lost != path:
        way_out = f"restart the bridge; what it has stored so far is in {path}"
    return f"{what} while it was in use, and nothing can be stored: {way_out}"


def is_deleted(path: Path) -> bool:
    return not os.path.exists(path)  # Path's own raises where it may not look


def _identity(place: str, database: str) -> _Identity:
    """SQLite's log may be empty; a database is so only when another program emptied it."""
    try:
        found = os.stat(place)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size or place != database else None


def who_locks(database: Path) -> str:
    """Who keeps writers waiting, as `bridge.db.lock is locked by pid 1234 (flock)`; empty where that is unknown.

    A process that has the lock of the writers may itself wait for SQLite's, so the holder of that one comes first.
    """
    real = os.path.realpath(database)
    beside = [f"{real}-shm", *(f"{database}{suffix}" for suffix in reversed(OF_WRITERS))]
    for place in (database, *map(Path, beside)):
        if pids := lock_holders(place) - {os.getpid()}:
            return f"{place} is locked by {', '.join(map(_process, sorted(pids)))}"
    return ""


def lock_holders(place: Path) -> set[int]:
    """The processes that hold what others wait for. Empty where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        here = place.stat()
        found = [(pid, device) for pid, device, inode in _write_locks() if inode == here.st_ino]
        same = {pid for pid, device in found if device == (os.major(here.st_dev), os.minor(here.st_dev))}
        return same or {pid for pid, _ in found}  # a stacked file system shows another device than its files do
    return set()


def _write_locks() -> Iterator[tuple[int, tuple[int, int], int]]:
    """(pid, device, inode) of each lock that is held for writing: `2: POSIX ADVISORY WRITE 1234 08:01:5767 120 120`.

    https://man7.org/linux/man-pages/man5/proc_locks.5.html
    """
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if words[1] != "->" and words[3] == "WRITE":  # an arrow waits for the lock above it
            major, minor, inode = words[5].split(":")
            yield int(words[4]), (int(major, 16), int(minor, 16)), int(inode)


def _process(pid: int) -> str:
    with suppress(OSError):
        return f"pid {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    return f"pid {pid}" if pid > 0 else "a process of another container"
