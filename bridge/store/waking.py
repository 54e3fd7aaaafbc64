"""Waking the workers at once when something is stored, over process borders. Only a hint: workers poll as well.

SQLite: a named pipe for each worker, in a folder beside the database file, which nothing that copies `bridge.db*` comes
across: to read a pipe is to wait for ever. PostgreSQL: NOTIFY.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from bridge.observability import logs
from bridge.store.database import postgres_patience

log = logs.get("store")
_CHANNEL = "incident_bridge"
_MOST = 16  #: workers on one SQLite file that are woken; more poll


def _pipes(engine: sa.Engine) -> list[Path]:
    """Any process finds them by the database alone, whatever its environment is. They are used from the first on."""
    database = Path(engine.url.database or "")
    folder = database.with_name(f".{database.name}-wake")
    return [folder / "pipe", *(folder / f"pipe-{number}" for number in range(2, _MOST + 1))]


def _is_pipe(file: int) -> bool:
    return stat.S_ISFIFO(os.fstat(file).st_mode)


class Waker:
    """The writers' side."""

    def __init__(self, engine: sa.Engine) -> None:
        self._postgres = engine.dialect.name == "postgresql"
        self._ends = [] if self._postgres else [_WritersEnd(path) for path in _pipes(engine)]

    def within(self, connection: sa.Connection) -> None:
        """Inside the transaction: PostgreSQL notifies the listeners when, and only if, it commits."""
        if self._postgres:
            connection.execute(sa.text(f"NOTIFY {_CHANNEL}"))

    def after_commit(self) -> None:
        """No worker listening, or one that has much to do already (a full pipe), is not a fault."""
        for end in self._ends:
            try:
                end.write()
            except FileNotFoundError:  # nor is any after it
                break
            except OSError:
                continue


class _WritersEnd:
    """Of the pipe that the path leads to, kept open for the next commits."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._file: int | None = None
        self._guard = threading.Lock()  # a number that another thread has closed may be another file's by now

    def write(self) -> None:
        """Raises OSError, also where nobody reads, or the pipe is full."""
        with self._guard:
            if not self._is_current():
                self._open()
            assert self._file is not None
            os.write(self._file, b"!")

    def _is_current(self) -> bool:
        return self._file is not None and os.path.samestat(os.lstat(self._path), os.fstat(self._file))

    def _open(self) -> None:
        self._close()
        file = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        if not _is_pipe(file):  # it would be written into whatever was put there
            os.close(file)
            raise FileExistsError(self._path)
        self._file = file

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        self._close()


class Listener:
    """The worker's side: calls `wake` from a thread of its own."""

    def __init__(self, engine: sa.Engine, wake: Callable[[], None]) -> None:
        self._engine, self._wake = engine, wake
        self._stopping = threading.Event()
        postgres = engine.dialect.name == "postgresql"
        self._thread = threading.Thread(target=self._notifications if postgres else self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=5)

    def _read(self) -> None:
        _remove_former(Path(f"{self._engine.url.database}.wake"))
        reported = ""
        while not self._stopping.is_set():
            try:
                self._listen_to_pipe()
            except OSError as fault:  # a read-only or full disk, perhaps
                if str(fault) != reported:
                    reported = str(fault)
                    log.warning("not_woken", why=reported, instead="polling every few seconds")
                self._stopping.wait(1)  # polling goes on meanwhile

    def _listen_to_pipe(self) -> None:
        path, pipe = _own_pipe(self._engine)
        try:
            while not self._stopping.is_set() and os.path.samestat(os.fstat(pipe), path.stat()):
                if select.select([pipe], [], [], 0.5)[0]:
                    os.read(pipe, 65536)
                    self._wake()
        finally:
            os.close(pipe)

    def _notifications(self) -> None:
        import psycopg  # only where there is a PostgreSQL: it is a tenth of a process's memory

        while not self._stopping.is_set():
            try:
                self._listen()
            except (psycopg.Error, sa.exc.SQLAlchemyError):
                self._stopping.wait(1)  # polling goes on meanwhile

    def _listen(self) -> None:
        import psycopg

        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        patience = postgres_patience(self._engine.url)
        with psycopg.connect(url, autocommit=True, **patience) as connection:  # type: ignore[arg-type]
            connection.execute(f"LISTEN {_CHANNEL}")
            while not self._stopping.is_set():
                for _notification in connection.notifies(timeout=0.5, stop_after=1):
                    self._wake()


def _own_pipe(engine: sa.Engine) -> tuple[Path, int]:
    """The first that no other worker listens to. Raises OSError where there is none."""
    for path in _pipes(engine):
        _make(path)
        pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)  # never sees an end of file
        try:
            fcntl.flock(pipe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(pipe)
        else:
            return path, pipe
    raise OSError(f"{_MOST} workers listen already")


def _make(pipe: Path) -> None:
    """In a folder that is ours alone. Raises OSError, also where another user's is in the way."""
    with contextlib.suppress(FileExistsError):
        pipe.parent.mkdir(mode=0o700)
    found = pipe.parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{pipe.parent} belongs to another user, or is no folder: remove it")
    pipe.parent.chmod(0o700)
    with contextlib.suppress(FileExistsError):
        os.mkfifo(pipe, mode=0o600)
    if not stat.S_ISFIFO(pipe.lstat().st_mode):
        raise FileExistsError(f"{pipe} is no pipe: remove it")


def _remove_former(pipe: Path) -> None:
    """Where earlier versions had it."""
    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(pipe.lstat().st_mode):
            pipe.unlink()
