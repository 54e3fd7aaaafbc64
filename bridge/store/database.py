"""Opening the database: SQLite (WAL, every commit on disk) or PostgreSQL, migrated to the current schema."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from bridge.core.errors import StoreRefused, StoreUnavailable

#: The newest of migrations/versions/.
NEWEST = "0012"
#: PostgreSQL advisory lock of the migrations; any constant that nobody else uses.
_MIGRATION_LOCK = 0x6272_6467
#: Its kind says that others may pass where this one cannot.
_OF_THE_DATA = (DataError, IntegrityError, ProgrammingError)
_READ_ONLY = "25006"  # SQLSTATE read_only_sql_transaction
_PATIENCE = {
    "connect_timeout": 5,  # seconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}


def open_database(url: str) -> sa.Engine:
    """An engine on a migrated database; safe when several processes start at once. Raises StoreUnavailable."""
    engine = _engine(url)
    try:
        with _one_at_a_time(engine) as connection:
            _migrate(engine, connection)
    except (DBAPIError, OSError) as fault:  # a file that is no database is no OperationalError
        engine.dispose()
        raise StoreUnavailable(f"cannot open {engine.url.render_as_string()}: {fault}") from fault
    except StoreUnavailable:
        engine.dispose()
        raise
    return engine


@contextlib.contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One write transaction. Whatever the database says about not being able to becomes StoreUnavailable."""
    try:
        with _turn(engine), engine.begin() as connection:
            yield connection
    except DBAPIError as fault:
        _forget_connections(engine, fault)
        kind = StoreRefused if isinstance(fault, _OF_THE_DATA) else StoreUnavailable
        raise kind(f"the database refused: {fault.orig}") from fault
    except NoConnectionFree as fault:
        raise StoreUnavailable("every connection to the database is in use, and none became free in time") from fault
    except OSError as fault:
        raise StoreUnavailable(f"the files beside the database cannot be used: {fault}") from fault


@contextlib.contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """For queries only: on SQLite it never waits for a writer. Raises StoreUnavailable."""
    try:
        with engine.connect().execution_options(readonly=True) as connection:
            yield connection
    except DBAPIError as fault:
        raise StoreUnavailable(f"the database does not answer: {fault.orig}") from fault
    except NoConnectionFree as fault:
        raise StoreUnavailable("every connection to the database is in use, and none became free in time") from fault


def _forget_connections(engine: sa.Engine, fault: DBAPIError) -> None:
    """After a failover the old primary may still answer, and takes nothing: look for the one that does."""
    if getattr(fault.orig, "sqlstate", None) == _READ_ONLY:
        engine.dispose()


def postgres_patience(url: sa.URL) -> dict[str, int]:
    """How libpq notices that a server has gone without a word, which it would else wait for by the quarter of an hour.

    What the URL says itself counts. https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    """
    return {name: value for name, value in _PATIENCE.items() if name not in url.query}


def _engine(url: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    patience = postgres_patience(parsed)
    return sa.create_engine(
        parsed, pool_pre_ping=True, pool_size=5, max_overflow=35, pool_timeout=10, connect_args=patience
    )


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, pool_timeout=10, connect_args={"check_same_thread": False, "timeout": 10})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's own BEGIN below, not sqlite3's late one
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later would fail with "database is locked" instead of waiting.
        readonly = connection.get_execution_options().get("readonly", False)
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine


@contextlib.contextmanager
def _turn(engine: sa.Engine) -> Iterator[None]:
    """Writers of one SQLite file take turns, whichever process they are in.

    SQLite alone lets a waiting writer sleep and look again, so a busy one, which is back at once, would shut the
    others out for seconds. Whoever holds `.turn` is next; a file's locks end with the process that holds them.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    with open(f"{engine.url.database}.turn", "a") as turn, open(f"{engine.url.database}.lock", "a") as writing:
        fcntl.flock(turn, fcntl.LOCK_EX)
        fcntl.flock(writing, fcntl.LOCK_EX)
        fcntl.flock(turn, fcntl.LOCK_UN)
        yield


@contextlib.contextmanager
def _one_at_a_time(engine: sa.Engine) -> Iterator[sa.Connection | None]:
    if engine.dialect.name == "sqlite":
        with _turn(engine):
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


def _is_current(connection: sa.Connection) -> bool:
    """Raises StoreUnavailable where a newer bridge was here first: an old pod that starts again during an upgrade."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return False
    found = connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or ""
    if found > NEWEST:  # numbers of the same width, so they sort as they count
        told = f"the database has the schema {found}, and this bridge knows {NEWEST} at most"
        raise StoreUnavailable(f"{told}: a newer version has migrated it; run that version, or restore a backup")
    return bool(found == NEWEST)


def _migrate(engine: sa.Engine, locked: sa.Connection | None) -> None:
    with engine.connect().execution_options(readonly=True) as connection:
        if _is_current(connection):
            return
    # Alembic is a tenth of a process's memory, and needed once in the life of a release.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    if locked is not None:
        config.attributes["connection"] = locked
        command.upgrade(config, "head")
        return
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
