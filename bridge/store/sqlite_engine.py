"""Connections to one SQLite file: WAL, every commit on disk, and never to another file than the first connection's."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from bridge.core.errors import StoreDown
from bridge.observability import logs
from bridge.store.prepared import failure
from bridge.store.sqlite_files import (
    OpenedFiles,
    create_private,
    in_words,
    is_deleted,
    make_private,
    opened_files,
)
from bridge.store.sqlite_lock import locked, write_lock

log = logs.get("store")
BUSY_SECONDS = 10  #: how long SQLite waits for a lock of its own
_MAGIC = b"SQLite format 3\x00"  # https://www.sqlite.org/fileformat.html#the_database_header
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_SECONDS}000")
_FILES: WeakKeyDictionary[sa.Engine, _File] = WeakKeyDictionary()


class FilesLost(StoreDown):
    """The path does not lead to the files any more that are open."""


def create(url: sa.URL) -> sa.Engine:
    """The file is made where there is none, here and never again: a file that is gone must not come back empty.

    Raises OSError.
    """
    path = _path(url)
    if path is not None:
        create_private(path)
        make_private(path)
        url = url.set(database=str(path))
    engine = sa.create_engine(url, pool_timeout=10, connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS})
    if path is not None:
        _FILES[engine] = file = _File(path)
        sa.event.listen(engine, "do_connect", file.connect)
        sa.event.listen(engine, "close", file.closed)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not sqlite3's late one
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        if path is not None:
            file.opened(connection)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later would fail with "database is locked" instead of waiting.
        readonly = connection.get_execution_options().get("readonly", False)
        _run(connection, "BEGIN" if readonly else "BEGIN IMMEDIATE")

    @sa.event.listens_for(engine, "commit")
    def commit(connection: sa.Connection) -> None:
        # SQLite itself rolls back after some errors (a full disk, no memory); a caller that caught one does not know.
        driver: Any = connection.connection.dbapi_connection
        if not driver.in_transaction:
            fault = sqlite3.OperationalError("SQLite has rolled the transaction back")
            fault.sqlite_errorname = "SQLITE_ABORT_ROLLBACK"
            raise failure(connection, "COMMIT", fault)

    return engine


def _run(connection: sa.Connection, sql: str) -> None:
    """Without what SQLAlchemy does around each statement, which takes three times as long as this one."""
    driver: Any = connection.connection.dbapi_connection
    try:
        driver.execute(sql)
    except sqlite3.Error as fault:
        raise failure(connection, sql, fault) from fault


def _path(url: sa.URL) -> Path | None:
    """None for a database in memory, and for SQLite's own kind of URI, which may be anything."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        return None
    return Path(os.path.abspath(url.database))


def is_database(url: sa.URL) -> bool:
    """By its first bytes; an empty or absent file may become one. What this process has open already is one.

    That is not looked at again: closing a file ends the locks that the process has on it (POSIX, fcntl).
    """
    path = _path(url)
    if path is None or not path.is_file() or any(file.path == path for file in _FILES.values()):
        return True
    with path.open("rb") as content:
        return content.read(len(_MAGIC)) in (b"", _MAGIC)


def check_files(engine: sa.Engine, *, orphan: bool = False) -> bool:
    """Raise FilesLost where what is committed now would be lost.

    orphan: go on in a file that was deleted; then the answer is whether it was.
    """
    file = _FILES.get(engine)
    return file is not None and file.check(orphan=orphan)


def save(engine: sa.Engine) -> None:
    """Where SQLite's log alone was deleted: write what it holds into the database, before it ends with its last user.

    Not inside a transaction.
    """
    file = _FILES.get(engine)
    if file is None or file.is_saved or file.lost() in (None, file.path):
        return
    with suppress(sa.exc.SQLAlchemyError, sqlite3.Error), closing(engine.raw_connection()) as connection:
        busy, *_ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        file.is_saved = not busy


def locked_by(engine: sa.Engine, fault: DBAPIError) -> str:
    """Why SQLite did not get a lock; empty for every other fault."""
    file = _FILES.get(engine)
    if file is None or getattr(fault.orig, "sqlite_errorname", "") not in ("SQLITE_BUSY", "SQLITE_LOCKED"):
        return ""
    return f"{fault.orig}: {locked(file.path, BUSY_SECONDS)}"


class _File:
    """What the connections of one engine have open, which is the same for all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: OpenedFiles | None = None
        self._connections: set[int] = set()
        self._is_lost = False  # as it was logged last
        self.is_saved = False  #: what stood in a log that was lost

    def lost(self) -> Path | None:
        return self._opened.lost() if self._opened is not None else None

    def check(self, *, orphan: bool) -> bool:
        lost = self.lost()
        if (lost is not None) != self._is_lost:
            self._is_lost, self.is_saved = lost is not None, False
            self._tell(lost)
        if lost is None:
            return False
        if orphan and is_deleted(self.path):
            return True
        raise FilesLost(in_words(self.path, lost))

    def _tell(self, lost: Path | None) -> None:
        if lost is None:
            log.warning("database_found", file=str(self.path))
        else:
            log.error("database_lost", file=str(lost), why=in_words(self.path, lost))

    def connect(self, dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Instead of SQLite's own way, which makes an empty file where there is none."""
        lost = self.lost() or (self.path if is_deleted(self.path) else None)
        if lost is not None:
            raise sqlite3.OperationalError(in_words(self.path, lost))
        return dialect.connect(f"file:{quote(arguments[0])}?mode=rw", uri=True, **options)

    def opened(self, connection: sqlite3.Connection) -> None:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # opens the log and its index
        found = opened_files(self.path)
        if self._opened in (None, found.without_log()):
            self._opened = found
        elif self._opened is not None and found != self._opened:
            connection.close()
            raise sqlite3.OperationalError(in_words(self.path, self._opened.lost() or self.path))
        self._connections.add(id(connection))

    def closed(self, connection: sqlite3.Connection, _record: Any) -> None:
        """With the last one SQLite takes its log away, and the next one makes another."""
        self._connections.discard(id(connection))
        if self._connections:
            return
        write_lock(str(self.path)).close_idle()
        if self._opened is not None:
            self._opened = self._opened.without_log()
