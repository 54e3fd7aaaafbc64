"""A migration only adds, so that processes of the version before go on while it runs and after it: a rolling upgrade.

Invariant of bridge/store/migrations: new tables, new columns that may be left out, new indexes that forbid nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from bridge.core.errors import StoreUnavailable
from bridge.store import database
from bridge.store.tables import UtcDateTime

MIGRATIONS = Path(database.__file__).with_name("migrations")


def config(connection: sa.Connection | None = None, scripts: Path = MIGRATIONS) -> Config:
    found = Config()
    found.set_main_option("script_location", str(scripts))
    found.attributes["connection"] = connection
    return found


OLDER = [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()][1:]


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[sa.Engine]:
    engine = database._engine(sa.make_url(empty_database_url))
    yield engine
    engine.dispose()


def migrate(engine: sa.Engine, revision: str, scripts: Path = MIGRATIONS) -> sa.MetaData:
    """Migrates to a revision; returns its tables."""
    with engine.connect() as connection:
        command.upgrade(config(connection, scripts), revision)
    found = sa.MetaData()
    with engine.connect().execution_options(readonly=True) as connection:
        found.reflect(connection)
    return found


def value(column: sa.Column[Any]) -> Any:
    """A valid value; the same everywhere, so that foreign keys match."""
    kinds: dict[type, Callable[[], Any]] = {
        sa.Integer: lambda: 1,
        sa.Boolean: lambda: True,
        sa.LargeBinary: lambda: b"x",
        sa.DateTime: lambda: datetime.now(UTC),
    }
    for kind, make in kinds.items():
        if isinstance(column.type, kind):
            return make()
    return "1"


def write_and_read(engine: sa.Engine, known: sa.MetaData) -> list[str]:
    """As a process that knows only these tables: writes each column of a row, and reads it again."""
    tables = [table for table in known.sorted_tables if table.name != "alembic_version"]
    with engine.begin() as connection:
        for table in tables:
            connection.execute(sa.insert(table).values({column.name: value(column) for column in table.columns}))
            assert connection.execute(sa.select(table)).first() is not None
        for table in reversed(tables):
            connection.execute(sa.delete(table))
    return [table.name for table in tables]


@pytest.mark.parametrize("revision", OLDER)
def test_a_process_of_an_older_version_keeps_working_after_the_migrations(engine: sa.Engine, revision: str) -> None:
    known = migrate(engine, revision)
    assert "incident" in write_and_read(engine, known)
    migrate(engine, "head")
    assert "incident" in write_and_read(engine, known)


def shape(engine: sa.Engine) -> dict[str, Any]:
    """All that can be read of each table's columns, keys and indexes, in the order of their names."""
    with engine.connect().execution_options(readonly=True) as connection:
        found = sa.inspect(connection)
        return {
            table: {
                "columns": sorted(str(column) for column in found.get_columns(table)),
                "key": found.get_pk_constraint(table),
                "foreign": sorted(map(str, found.get_foreign_keys(table))),
                "indexes": sorted(map(_index, found.get_indexes(table))),
                "unique": sorted(str(sorted(each.items())) for each in found.get_unique_constraints(table)),
            }
            for table in found.get_table_names()
        }


def _index(index: Any) -> str:
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return str((index["name"], index["column_names"], index["unique"], options))


def test_a_new_database_is_what_all_migrations_make(engine: sa.Engine, database_url: str) -> None:
    """It is made without them: that is quicker, and each process is spared Alembic."""
    database.open_database(database_url).dispose()
    made = shape(engine)
    everything = sa.MetaData()
    with engine.connect().execution_options(readonly=True) as connection:
        (version,) = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars()
        everything.reflect(connection)
    with engine.begin() as connection:
        everything.drop_all(connection)
    migrate(engine, "head")
    assert (made, version) == (shape(engine), database.NEWEST)


def test_nothing_is_made_beside_tables_of_another_program(engine: sa.Engine, empty_database_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE event (id INTEGER)"))
    with pytest.raises(StoreUnavailable, match="event"):
        database.open_database(empty_database_url)
    assert list(shape(engine)) == ["event"]


def write(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Writes rows with values for the named columns only."""
    filled = {column.name: value(column) for column in table.columns if not column.nullable}
    connection.execute(sa.insert(table), [{**filled, **row} for row in rows])


def test_older_dead_letters_keep_their_reason_and_time_as_far_as_stored(engine: sa.Engine) -> None:
    known = migrate(engine, "0014")
    stored = UtcDateTime().process_bind_param
    first, last = (stored(datetime(2026, 3, 1, hour, tzinfo=UTC), engine.dialect) for hour in (1, 2))
    mail = {"channel": "mail", "incident_number": 1}
    with engine.begin() as connection:
        write(connection, known.tables["incident"], [{"number": 1}])
        write(connection, known.tables["delivery"], [
            {**mail, "recipient": "a@x.org", "dead": True, "last_error": "rate_limited: HTTP 429"},
            {**mail, "recipient": "b@x.org", "dead": True, "last_error": "unheard of: x"},
            {**mail, "recipient": "c@x.org", "dead": False, "last_error": "server: HTTP 503"},
        ])  # fmt: skip
        write(connection, known.tables["event"], [
            {"id": 1, "incident_number": 1, "kind": "dead", "actor": "mail a@x.org", "at": first},
            {"id": 2, "incident_number": 1, "kind": "dead", "actor": "mail a@x.org", "at": last},
            {"id": 3, "incident_number": 1, "kind": "dead", "actor": "mail c@x.org", "at": last},
        ])  # fmt: skip
    now = migrate(engine, "head").tables["delivery"]
    query = sa.select(now.c.dead_reason, now.c.dead_at).order_by(now.c.recipient)
    with engine.connect().execution_options(readonly=True) as connection:
        assert [tuple(row) for row in connection.execute(query)] == [("rate_limited", last), (None, None), (None, None)]


FAULTS = {
    "a column that must be given": 'op.add_column("incident", sa.Column("team", sa.Text(), nullable=False))',
    "a column dropped": 'op.drop_column("incident", "title")',
    "a column renamed": 'op.alter_column("incident", "title", new_column_name="headline")',
    "a table renamed": 'op.rename_table("event", "happening")',
}
MIGRATION = """
import sqlalchemy as sa
from alembic import op
revision = "{revision}"
down_revision = {before!r}
def upgrade() -> None:
    {step}
"""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_migration_that_does_more_than_add_is_found(engine: sa.Engine, tmp_path: Path, fault: str) -> None:
    scripts = tmp_path / "migrations"
    (scripts / "versions").mkdir(parents=True)
    (scripts / "env.py").write_text((MIGRATIONS / "env.py").read_text())
    first = (MIGRATIONS / "versions" / "0001_first.py").read_text()
    (scripts / "versions" / "0001_first.py").write_text(first)
    step = MIGRATION.format(revision="0002", before="0001", step=FAULTS[fault])
    (scripts / "versions" / "0002_fault.py").write_text(step)
    known = migrate(engine, "0001", scripts)
    write_and_read(engine, known)
    migrate(engine, "head", scripts)
    with pytest.raises(sa.exc.DBAPIError):
        write_and_read(engine, known)
