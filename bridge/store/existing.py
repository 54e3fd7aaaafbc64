"""Opening a database that a bridge has made: for commands, which create nothing and bring nothing up to date.

Invariant: reading leaves no trace, not even the files that SQLite creates beside an open database.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from bridge.core.errors import StoreUnavailable, StoreUnusable
from bridge.store.database import NEWEST, is_no_database, open_database, postgres_patience, schema_of
from bridge.store.urls import check_file, database_url, shown

_NAME_IT = "name it with --database or BRIDGE_DATABASE_URL; `bridge serve` makes one"


def open_to_read(url: str) -> sa.Engine:
    """Raises StoreUnavailable, in words for a terminal, where there is no database of this version's schema."""
    engine = _reader(_parsed(url))
    with _closed_on_fault(engine):
        found = _schema(engine)
        if found == NEWEST:
            return engine
        name = shown(engine.url)
        if not found:
            raise StoreUnavailable(f"{name} is no database of a bridge: {_NAME_IT}")
        what = f"{name} has the schema {found}, and this bridge works with {NEWEST}"
        if found > NEWEST:
            raise StoreUnavailable(f"{what}: a newer version has migrated it; use that version")
        raise StoreUnavailable(f"{what}: it is brought up to date when `bridge serve` of this version starts on it")


def open_to_change(url: str) -> sa.Engine:
    """The same for commands that change something in it."""
    open_to_read(url).dispose()
    return open_database(url)


def open_restored(url: str) -> sa.Engine:
    """A copy of any version's database, brought up to date. Raises StoreUnavailable where a bridge runs on it."""
    parsed = _parsed(url)
    engine = _reader(parsed)
    with _closed_on_fault(engine):
        if not _schema(engine):
            raise StoreUnavailable(f"{shown(engine.url)} is no database of a bridge: {_NAME_IT}")
    engine.dispose()  # its own connection would look like a bridge's
    if parsed.get_backend_name() == "sqlite" and _is_in_use(Path(parsed.database or "")):
        raise StoreUnavailable(f"{parsed.database} is in use: stop the bridge that runs on it first")
    return open_database(url)


def _parsed(url: str) -> sa.URL:
    """SQLite's file must be there; of PostgreSQL, that is known when it is asked."""
    parsed = database_url(url)
    if parsed.get_backend_name() == "sqlite":
        _require_file(parsed.database or "")
    return parsed


def _require_file(name: str) -> None:
    path = Path(name)
    try:
        check_file(path, to_write=False)
        is_file = path.is_file()
    except (OSError, ValueError) as fault:
        raise StoreUnavailable(f"the database {str(path)!r} cannot be opened: {fault}") from None
    if not is_file:
        raise StoreUnavailable(f"there is no database {path}: {_NAME_IT}")


def _reader(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "").absolute()
        return sa.create_engine(url, creator=lambda: _read_only(path), isolation_level="AUTOCOMMIT")
    return sa.create_engine(url, connect_args=postgres_patience(url))


def _read_only(path: Path) -> sqlite3.Connection:
    """Without a log beside it no process has it open, and read-only mode alone would make one."""
    closed = not path.with_name(f"{path.name}-wal").exists()
    options = "mode=ro&immutable=1" if closed else "mode=ro"
    return sqlite3.connect(f"file:{quote(str(path))}?{options}", uri=True, check_same_thread=False, timeout=10)


def _schema(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return schema_of(connection)


def _is_in_use(path: Path) -> bool:
    """Each process that has a database with a write-ahead log open holds a shared lock on it."""
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        try:
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as fault:
            if "locked" in str(fault):
                return True
            raise StoreUnavailable(f"cannot open {path}: {fault}") from fault
    return False


@contextlib.contextmanager
def _closed_on_fault(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as fault:
        engine.dispose()
        if is_no_database(fault):
            raise StoreUnusable(f"cannot open {engine.url.database}: this file is not a database of SQLite") from fault
        raise StoreUnavailable(f"cannot open {shown(engine.url)}: {fault.orig}") from fault
    except StoreUnavailable:
        engine.dispose()
        raise
