"""Old processes go on while a new one migrates: what they write and read still works on the schema of head.

Law of the migrations: they only add. A new column has a default in the database, since an old INSERT does not name it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from bridge.store import database, open_database

VALUES = (
    (sa.Boolean, False),
    (sa.Integer, 1),
    (sa.DateTime, datetime(2026, 1, 1, tzinfo=UTC)),
    (sa.LargeBinary, b"x"),
)


def scripts() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).with_name("migrations")))
    return config


def revisions() -> list[str]:
    return sorted(each.revision for each in ScriptDirectory.from_config(scripts()).walk_revisions())


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = database._engine(database_url)
    yield engine
    engine.dispose()


def migrated(engine: sa.Engine, revision: str) -> sa.MetaData:
    """The database at this revision, and its schema as a process of that time knew it."""
    config = scripts()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    known = sa.MetaData()
    known.reflect(engine)
    return known


def a_value(column: sa.Column[Any], rows: dict[str, dict[str, Any]]) -> Any:
    """Of the column's type; what refers to another table takes the value that the row there has."""
    for key in column.foreign_keys:
        table, _, name = key.target_fullname.partition(".")
        return rows[table][name]
    return next((value for kind, value in VALUES if isinstance(column.type, kind)), "x")


def write(engine: sa.Engine, known: sa.MetaData) -> dict[str, dict[str, Any]]:
    """One row a table, with every column that a process of that time writes."""
    rows: dict[str, dict[str, Any]] = {}
    with engine.begin() as connection:
        for table in known.sorted_tables:
            if table.name != "alembic_version":
                rows[table.name] = {column.name: a_value(column, rows) for column in table.columns}
                connection.execute(table.insert(), rows[table.name])
    return rows


@pytest.mark.parametrize("revision", revisions()[:-1])
def test_a_process_of_an_older_revision_still_writes_and_reads_after_the_migration(
    engine: sa.Engine, database_url: str, revision: str
) -> None:
    known = migrated(engine, revision)
    open_database(database_url).dispose()
    rows = write(engine, known)
    with engine.begin() as connection:
        for name, row in rows.items():
            table = known.tables[name]
            assert 1 == connection.execute(table.update().values(row)).rowcount
            assert set(row) == set(connection.execute(sa.select(table)).mappings().one())


@pytest.mark.parametrize("revision", revisions()[:-1])
def test_what_was_stored_before_a_migration_is_there_after_it(
    engine: sa.Engine, database_url: str, revision: str
) -> None:
    known = migrated(engine, revision)
    rows = write(engine, known)
    open_database(database_url).dispose()
    with engine.connect() as connection:
        for name in rows:
            assert 1 == connection.scalar(sa.select(sa.func.count()).select_from(known.tables[name]))
