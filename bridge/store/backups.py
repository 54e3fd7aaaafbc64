"""A copy of a live SQLite database, and what must be said to a database that comes from a copy.

Invariant: a copy is whole and proved so, or there is none. PostgreSQL is copied with its own tools (docs/operating.md).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from bridge.core.errors import StoreUnavailable
from bridge.store.database import transaction
from bridge.store.tables import delivery
from bridge.store.urls import database_url


def back_up(url: str, target: Path) -> int:
    """Copy the database of a running bridge into a new file; its size in bytes.

    Raises ValueError where that cannot be done, StoreUnavailable where the copy fails.
    """
    source = _file_of(url)
    if target.exists():
        raise ValueError(f"{target} is there already, and a backup never replaces another; give a new name")
    partial = target.with_name(f"{target.name}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # it has everything that users wrote
    except FileExistsError:
        raise ValueError(f"{partial} is there: another backup runs, or one was ended; then remove it") from None
    try:
        _copy(source, partial)
        partial.rename(target)
        _to_disk(target.parent)
    except (sqlite3.Error, OSError) as fault:
        raise StoreUnavailable(f"cannot copy {source} to {target}: {fault}") from fault
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def mark_restored(engine: sa.Engine, skipped_numbers: int) -> int:
    """After a restore: what waits may have been sent since the copy was made, and numbers may have been given.

    A delivery that is in flight is looked for before it is sent. Returns how many there are.
    """
    unknown = sa.update(delivery).where(delivery.c.pending)
    with transaction(engine) as connection:
        values = {"in_flight": True, "attempted_at": delivery.c.wanted_at, "lease": None, "lease_until": None}
        marked = connection.execute(unknown.values(values)).rowcount
        _skip_numbers(connection, skipped_numbers)
    return int(marked)


def _file_of(url: str) -> Path:
    parsed = database_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise ValueError("this is not SQLite; copy PostgreSQL with pg_dump, see docs/operating.md")
    source = Path(str(parsed.database))
    if not source.is_file():
        raise ValueError(f"there is no database {source}")
    return source


def _copy(source: Path, partial: Path) -> None:
    """VACUUM INTO reads one state of the database and keeps no writer waiting, however long it takes."""
    with closing(sqlite3.connect(source, timeout=10)) as connection:
        connection.execute("VACUUM INTO ?", (str(partial),))
    with closing(sqlite3.connect(partial)) as connection:
        answer = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        connection.execute("SELECT count(*) FROM incident").fetchone()  # fails where it is no database of a bridge
    if answer != ["ok"]:
        raise sqlite3.DatabaseError(f"the copy is not whole: {answer[0]}")
    _to_disk(partial)


def _to_disk(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _skip_numbers(connection: sa.Connection, skipped: int) -> None:
    if connection.dialect.name == "sqlite":
        skip = sa.text("UPDATE sqlite_sequence SET seq = seq + :skipped WHERE name = 'incident'")
        connection.execute(skip, {"skipped": skipped})
        return
    sequence = connection.scalar(sa.text("SELECT pg_get_serial_sequence('incident', 'number')"))
    next_number = connection.scalar(sa.text("SELECT nextval(CAST(:sequence AS regclass))"), {"sequence": sequence})
    skip = sa.text("SELECT setval(CAST(:sequence AS regclass), :number)")
    connection.execute(skip, {"sequence": sequence, "number": int(next_number or 1) + skipped - 1})
