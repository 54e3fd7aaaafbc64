"""The database's URL: what the bridge can work on, and in words what it cannot.

Invariant: what was given is never repeated where it may hold a password.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import sqlalchemy as sa

from bridge.core.errors import StoreUnusable

SQLITE = ("sqlite", "sqlite+pysqlite")
POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
_SQLITE_PARAMETERS = {"timeout", "cached_statements"}  #: what neither opens another file nor opens it otherwise
_FORMS = "write sqlite:///FILE (sqlite:////FILE from the root) or postgresql://USER:PASSWORD@HOST/DATABASE"
_ESCAPES = "in a user or password, write @ as %40, : as %3A, / as %2F, # as %23, ? as %3F and % as %25"


def database_url(text: str) -> sa.URL:
    """Raises StoreUnusable for what is no URL of a database that the bridge can use."""
    kind = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)", text)
    if kind is None:
        raise StoreUnusable(f"this is no URL of a database: {_FORMS}")
    if kind[0] in SQLITE:
        return _sqlite(text)
    if kind[0] in POSTGRESQL:
        return _postgresql(text)
    raise StoreUnusable(f"the bridge cannot use a database of the kind {kind[0][:40]!r}: {_FORMS}")


def shown(url: sa.URL) -> str:
    """For logs and messages: without any password."""
    return url.difference_update_query([name for name in url.query if "password" in name]).render_as_string()


def prepare_file(url: sa.URL) -> None:
    """Make the folder of SQLite's file. Raises StoreUnusable."""
    file = Path(url.database or "")
    check_file(file)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise StoreUnusable(f"the folder of the database {file} cannot be made: {fault.strerror}") from None


def check_file(file: Path, *, to_write: bool = True) -> None:
    """Raises StoreUnusable where the file can never be opened; to_write: nor written.

    It is not opened here: closing it would end the locks that this process has on it (POSIX, fcntl).
    """
    if file.is_dir():
        raise StoreUnusable(f"{file} is a folder: name a file in it, such as sqlite:///{file / 'bridge.db'}")
    if file.exists():
        _check_existing(file, to_write)
    _check_folder(file, to_write)


def _check_folder(file: Path, to_write: bool) -> None:
    folder = next(each for each in file.absolute().parents if each.exists())
    if not folder.is_dir():
        raise StoreUnusable(f"there can be no database {file}: {folder} is no folder")
    if to_write and not os.access(folder, os.W_OK | os.X_OK):
        raise StoreUnusable(f"the database {file} cannot be used: this user may not write into the folder {folder}")


def _check_existing(file: Path, to_write: bool) -> None:
    if not file.is_file():
        raise StoreUnusable(f"{file} is no ordinary file, so it is no database")
    if not os.access(file, os.R_OK | (os.W_OK if to_write else 0)):
        allowed = "read and write" if to_write else "read"
        raise StoreUnusable(f"the database {file} cannot be used: this user may not {allowed} it")


def _sqlite(text: str) -> sa.URL:
    path = text.partition(":")[2]
    if not path.startswith("///"):
        raise StoreUnusable(f"the path of SQLite's file begins after three slashes: sqlite:///{path.strip('/')}")
    url = _parsed(text)
    if not url.database or url.database.startswith(":"):
        raise StoreUnusable("a database in memory would be lost, and each process had one of its own: name a file")
    if url.database.startswith("file:") or "\x00" in url.database:
        raise StoreUnusable("the bridge wants a plain path of SQLite's file, and no URI of its own: sqlite:///FILE")
    if strange := sorted(url.query.keys() - _SQLITE_PARAMETERS):
        raise StoreUnusable(
            f"the bridge cannot use SQLite's file with {', '.join(strange)[:40]!r}: write sqlite:///FILE"
        )
    return url


def _postgresql(text: str) -> sa.URL:
    if not text.partition(":")[2].startswith("//") or text.partition("?")[0].count("@") > 1:
        raise StoreUnusable(f"this is no URL of a PostgreSQL database: {_FORMS}; {_ESCAPES}")
    url = _parsed(text)
    if url.port is not None and not 0 < url.port < 65536:
        raise StoreUnusable(f"{url.port} is no port of a PostgreSQL server: it is a number from 1 to 65535")
    return url.set(drivername="postgresql+psycopg")


def _parsed(text: str) -> sa.URL:
    try:
        return sa.make_url(text)
    except (ValueError, sa.exc.ArgumentError):  # both repeat a part of what they read
        raise StoreUnusable(f"this is no URL of a database: {_FORMS}; {_ESCAPES}") from None
