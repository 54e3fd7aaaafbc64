"""Opening the database: SQLite (WAL, every commit on disk) or PostgreSQL, migrated to the current schema."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from bridge.core.errors import StoreDown, StoreRefused, StoreUnavailable, StoreUnusable
from bridge.observability import logs
from bridge.store import sqlite_engine
from bridge.store.sqlite_lock import SECONDS, write_lock
from bridge.store.tables import metadata
from bridge.store.urls import database_url, prepare_file, shown

log = logs.get("store")

#: The newest of migrations/versions/.
NEWEST = "0019"
#: PostgreSQL advisory lock of the migrations; any constant that nothing else uses.
_VERSION_KEY = "alembic_version_pkc"  # as Alembic names it
_MIGRATION_LOCK = 0x6272_6467
#: Its kind says that others may pass where this one cannot.
_OF_THE_DATA = (DataError, IntegrityError, ProgrammingError)
_OTHERS_MIGRATE = 60.0  #: seconds; of SQLite, at the start
_READ_ONLY = "25006"  # SQLSTATE read_only_sql_transaction
_DOWN_SQLITE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY", "SQLITE_CANTOPEN")
#: SQLSTATE: no connection, shut down or failed over, out of connections.
_DOWN_POSTGRES = ("08", "57P", "53300", _READ_ONLY)
_PATIENCE = {
    "connect_timeout": 5,  # seconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}


def open_database(url: str) -> sa.Engine:
    """An engine on a migrated database; safe when several processes start at once. Raises StoreUnavailable.

    StoreUnusable, where that can never change by itself.
    """
    parsed = database_url(url)
    try:
        engine = _engine(parsed)
    except OSError as fault:
        raise StoreUnavailable(f"cannot open {shown(parsed)}: {fault}") from fault
    try:
        with _one_at_a_time(engine) as connection:
            _migrate(engine, connection)
    except (DBAPIError, OSError) as fault:  # a file that is no database is no OperationalError
        engine.dispose()
        if is_no_database(fault):
            raise StoreUnusable(f"cannot open {parsed.database}: this file is not a database of SQLite") from fault
        raise StoreUnavailable(f"cannot open {shown(parsed)}: {fault}") from fault
    except StoreUnavailable:
        engine.dispose()
        raise
    return engine


@contextlib.contextmanager
def transaction(engine: sa.Engine, *, orphan: bool = False) -> Iterator[sa.Connection]:
    """One write transaction. Whatever the database says about not being able to becomes StoreUnavailable.

    orphan: go on in a file that was deleted, for what no other process can finish. Never in one that was replaced.
    """
    try:
        # Else it would be written into nowhere ...
        alone = sqlite_engine.check_files(engine, orphan=orphan)
        with contextlib.nullcontext() if alone else _turn(engine), engine.begin() as connection:
            yield connection
        sqlite_engine.check_files(engine, orphan=orphan)  # ... and it counts as stored only if it was not.
    except sqlite_engine.FilesLost:
        sqlite_engine.save(engine)
        raise
    except DBAPIError as fault:
        _forget_connections(engine, fault)
        raise _kind(fault)(f"the database refused: {_words(engine, fault)}") from fault
    except NoConnectionFree as fault:
        raise StoreDown("every connection to the database is in use, and none became free in time") from fault
    except OSError as fault:
        raise StoreDown(f"the files beside the database cannot be used: {fault}") from fault


@contextlib.contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """For queries only: on SQLite it never waits for a writer. Raises StoreUnavailable."""
    try:
        with engine.connect().execution_options(readonly=True) as connection:
            yield connection
    except DBAPIError as fault:
        raise StoreUnavailable(f"the database does not answer: {_words(engine, fault)}") from fault
    except NoConnectionFree as fault:
        raise StoreDown("every connection to the database is in use, and none became free in time") from fault


def is_no_database(fault: Exception) -> bool:
    """Of SQLite: the file is something else."""
    return isinstance(fault, DBAPIError) and getattr(fault.orig, "sqlite_errorname", "") == "SQLITE_NOTADB"


def _kind(fault: DBAPIError) -> type[StoreUnavailable]:
    if isinstance(fault, _OF_THE_DATA):
        return StoreRefused
    return StoreDown if _is_down(fault) else StoreUnavailable


def _is_down(fault: DBAPIError) -> bool:
    """Whatever else was to be written would fail as well."""
    if fault.connection_invalidated:
        return True
    if isinstance(fault.orig, sqlite3.Error):
        return getattr(fault.orig, "sqlite_errorname", "SQLITE_CANTOPEN").startswith(_DOWN_SQLITE)
    state = getattr(fault.orig, "sqlstate", None) or ("" if not isinstance(fault, OperationalError) else "08")
    return state.startswith(_DOWN_POSTGRES)


def _words(engine: sa.Engine, fault: DBAPIError) -> str:
    return sqlite_engine.locked_by(engine, fault) or str(fault.orig)


def _forget_connections(engine: sa.Engine, fault: DBAPIError) -> None:
    """After a failover the old primary may still answer, and takes nothing: try the others."""
    if getattr(fault.orig, "sqlstate", None) == _READ_ONLY:
        engine.dispose()


def postgres_patience(url: sa.URL) -> dict[str, int]:
    """How libpq notices that a server has gone without a word, which it would else wait for by the quarter of an hour.

    What the URL says itself counts. https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    """
    return {name: value for name, value in _PATIENCE.items() if name not in url.query}


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "sqlite":
        prepare_file(url)
        if not sqlite_engine.is_database(url):
            raise StoreUnusable(f"cannot open {url.database}: this file is not a database of SQLite")
        return sqlite_engine.create(url)
    patience = postgres_patience(url)
    return sa.create_engine(
        url, pool_pre_ping=True, pool_size=5, max_overflow=35, pool_timeout=10, connect_args=patience
    )


def _turn(engine: sa.Engine, seconds: float = SECONDS) -> contextlib.AbstractContextManager[None]:
    """Of the writers of one SQLite file; PostgreSQL has turns of its own."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return contextlib.nullcontext()
    return write_lock(engine.url.database).held(seconds)


@contextlib.contextmanager
def _one_at_a_time(engine: sa.Engine) -> Iterator[sa.Connection | None]:
    if engine.dialect.name == "sqlite":
        with _turn(engine, _OTHERS_MIGRATE):
            yield None
        return
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
        connection.commit()
        try:
            yield connection
        finally:
            connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()


def schema_of(connection: sa.Connection) -> str:
    """Of the newest migration that it has; empty where no bridge has been."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or ""


def _is_current(connection: sa.Connection) -> bool:
    """Raises StoreUnavailable where a newer bridge was here first: an old pod that starts again during an upgrade."""
    found = schema_of(connection)
    if found > NEWEST:  # numbers of the same width, so they sort as they count
        found_text = f"the database has the schema {found}, and this bridge knows {NEWEST} at most"
        raise StoreUnavailable(f"{found_text}: a newer version has migrated it; run that version, or restore a backup")
    return found == NEWEST


def _migrate(engine: sa.Engine, locked: sa.Connection | None) -> None:
    with engine.connect().execution_options(readonly=True) as connection:
        if _is_current(connection):
            return
        before = schema_of(connection)
    with contextlib.nullcontext(locked) if locked is not None else engine.connect() as connection:
        (_upgrade if before else _create)(connection)
    log.info("schema_migrated", before=before or "none", now=NEWEST)


def _create(connection: sa.Connection) -> None:
    """What all migrations together make, without them; nothing is made where a table is there already."""
    version = sa.Column("version_num", sa.String(32), nullable=False)
    made = sa.Table("alembic_version", sa.MetaData(), version, sa.PrimaryKeyConstraint(version, name=_VERSION_KEY))
    with connection.begin():
        metadata.create_all(connection, checkfirst=False)
        made.create(connection)
        connection.execute(sa.insert(made).values(version_num=NEWEST))


def _upgrade(connection: sa.Connection) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # one line of ours says as much as its ten
    # Alembic is a tenth of a process's memory, and needed once in the life of a release.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
