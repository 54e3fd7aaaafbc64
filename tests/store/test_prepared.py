"""Prepared statements: the same values and errors as SQLAlchemy's own way, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import StoreDown, StoreRefused, StoreUnavailable
from bridge.store.database import reading, transaction
from bridge.store.prepared import Prepared, among
from bridge.store.tables import Json, UtcDateTime

_things = sa.Table(
    "thing",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(8), unique=True),
    sa.Column("at", UtcDateTime),
    sa.Column("data", Json),
    sa.Column("is_loud", sa.Boolean),
    sa.Column("raw", sa.LargeBinary),
)
_NAMES = [column.name for column in _things.columns]
_INSERT = Prepared(sa.insert(_things).values({name: sa.bindparam(name) for name in _NAMES}).inline())
_ALL = Prepared(sa.select(_things).order_by(_things.c.id))
_BY_ID = Prepared(sa.select(_things.c.id).where(among(_things.c.id, "ids")).order_by(_things.c.id))
_BY_NAME = Prepared(sa.select(_things).where(among(_things.c.name, "names")).order_by(_things.c.id))
_LOUD = Prepared(sa.select(sa.func.count()).select_from(_things).where(_things.c.is_loud, _things.c.name != "never"))
_RENAME = Prepared(sa.update(_things).where(_things.c.id == sa.bindparam("b_id")).values(name=sa.bindparam("b_name")))
_AT = datetime(2026, 3, 1, 12, 30, 0, 5, tzinfo=UTC)


@pytest.fixture
def engine(engine: sa.Engine) -> sa.Engine:
    _things.create(engine)
    return engine


def _thing(number: int, **values: Any) -> dict[str, Any]:
    return {**dict.fromkeys(_NAMES), "id": number, "name": f"n{number}", **values}


def _store(engine: sa.Engine, *things: dict[str, Any]) -> None:
    with transaction(engine) as connection:
        _INSERT.run_many(connection, things)


def _all(engine: sa.Engine) -> list[dict[str, Any]]:
    with reading(engine) as connection:
        return _ALL.rows(connection)


def test_values_come_back_as_they_went_in(engine: sa.Engine) -> None:
    things = [
        _thing(1, at=_AT, data={"a": [1, None, "ü"]}, is_loud=True, raw=b"\x00\xff"),
        _thing(2, is_loud=False, data={}, name=""),
        _thing(3, name=None, data=[]),
    ]
    _store(engine, *things)
    assert _all(engine) == things


def test_a_time_of_another_zone_is_stored_as_utc(engine: sa.Engine) -> None:
    _store(engine, _thing(1, at=_AT.astimezone(timezone(timedelta(hours=5, minutes=30)))))
    (row,) = _all(engine)
    assert row["at"] == _AT and row["at"].utcoffset() == timedelta(0)


def test_it_reads_what_sqlalchemy_writes_and_the_other_way_round(engine: sa.Engine) -> None:
    full = _thing(1, at=_AT, data={"k": "v"}, is_loud=True, raw=b"x")
    with transaction(engine) as connection:
        connection.execute(sa.insert(_things), [full])
        _INSERT.run(connection, {**full, "id": 2, "name": "n2"})
        rows = connection.execute(sa.select(_things).order_by(_things.c.id)).mappings().all()
        assert [dict(row) for row in rows] == _ALL.rows(connection)


def test_one_value_one_row_and_none(engine: sa.Engine) -> None:
    _store(engine, _thing(1, is_loud=True, at=_AT), _thing(2, is_loud=False))
    with reading(engine) as connection:
        assert _LOUD.scalar(connection) == 1
        assert Prepared(sa.select(_things.c.at).where(_things.c.id == 1)).scalar(connection) == _AT
        assert Prepared(sa.select(_things.c.at).where(_things.c.id == 9)).scalar(connection) is None
        assert _BY_NAME.first(connection, {"names": ["n2"]}) == _thing(2, is_loud=False)
        assert _BY_NAME.first(connection, {"names": ["absent"]}) is None


def test_run_says_how_many_rows_changed(engine: sa.Engine) -> None:
    _store(engine, _thing(1))
    with transaction(engine) as connection:
        assert _RENAME.run(connection, {"b_id": 1, "b_name": "new"}) == 1
        assert _RENAME.run(connection, {"b_id": 2, "b_name": "other"}) == 0
        _RENAME.run_many(connection, [])
    assert [row["name"] for row in _all(engine)] == ["new"]


@pytest.mark.parametrize("count", [0, 1, 10_000])
def test_a_list_of_any_length_is_one_parameter(engine: sa.Engine, count: int) -> None:
    _store(engine, *(_thing(number) for number in range(1, 4)))
    with reading(engine) as connection:
        assert _BY_ID.scalars(connection, {"ids": range(2, 2 + count)}) == [n for n in (2, 3) if n < 2 + count]
        names = [f"n{number}" for number in range(2, 2 + count)]
        assert len(_BY_NAME.rows(connection, {"names": names})) == min(count, 2)


_TEXTS = ["'; DROP TABLE thing; --", 'a"b', "%s", "%(id)s", ":id", "?", "\\", "[1,2]", "null", "{}", "ü€\U0001f600"]


@pytest.mark.parametrize("text", _TEXTS)
def test_what_looks_like_sql_is_text(engine: sa.Engine, text: str) -> None:
    with transaction(engine) as connection:
        _INSERT.run(connection, _thing(1, name=text[:8], data={"t": text}))
        assert _BY_NAME.rows(connection, {"names": [text[:8], "x"]}) == [_thing(1, name=text[:8], data={"t": text})]
        assert _BY_NAME.rows(connection, {"names": [f"{text[:8]}longer than the column"]}) == []


def test_what_was_run_is_undone_with_its_transaction(engine: sa.Engine) -> None:
    with pytest.raises(StoreRefused), transaction(engine) as connection:
        _INSERT.run_many(connection, [_thing(1), _thing(1)])
    assert _all(engine) == []


def test_it_begins_the_transaction_that_it_needs(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        _INSERT.run(connection, _thing(1))
        assert connection.in_transaction()
        connection.rollback()
    assert _all(engine) == []


def test_what_the_data_forbid_is_refused(engine: sa.Engine) -> None:
    _store(engine, _thing(1))
    with pytest.raises(StoreRefused, match=r"(?i)unique"), transaction(engine) as connection:
        _INSERT.run(connection, _thing(2, name="n1"))
    with pytest.raises(StoreRefused), transaction(engine) as connection:
        _INSERT.run_many(connection, [_thing(2), _thing(3, name="n1")])
    assert [row["id"] for row in _all(engine)] == [1]


def test_a_connection_that_is_gone_is_the_stores_and_is_not_used_again(engine: sa.Engine) -> None:
    if engine.dialect.name != "postgresql":
        pytest.skip("SQLite has no server that ends a connection")
    with pytest.raises(StoreDown), transaction(engine) as connection:
        _read_without_a_server(engine, connection)
    _store(engine, _thing(1))
    assert len(_all(engine)) == 1


def _read_without_a_server(engine: sa.Engine, connection: sa.Connection) -> None:
    mine = connection.scalar(sa.text("SELECT pg_backend_pid()"))
    with engine.connect() as other:
        other.execute(sa.text("SELECT pg_terminate_backend(:mine, 10000)"), {"mine": mine})
    _ALL.rows(connection)


def test_a_fault_while_reading_is_the_stores(engine: sa.Engine) -> None:
    _things.drop(engine)
    with pytest.raises(StoreUnavailable, match="thing"), reading(engine) as connection:
        _ALL.rows(connection)


@pytest.mark.parametrize(
    "statement",
    [
        sa.select(_things).where(_things.c.id.in_([1, 2])),
        sa.insert(
            sa.Table("other", sa.MetaData(), sa.Column("a", sa.Integer), sa.Column("b", sa.Text, default=""))
        ).values(a=1),
    ],
)
def test_what_sqlalchemy_would_add_each_time_is_no_prepared_statement(
    engine: sa.Engine, statement: sa.Executable
) -> None:
    with pytest.raises(TypeError, match="cannot be prepared because of"), reading(engine) as connection:
        Prepared(statement).run(connection)


@given(st.lists(st.integers(-(2**31), 2**31 - 1)), st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_list_means_what_in_means(numbers: list[int], texts: list[str]) -> None:
    one, other = sa.literal_column("-7", sa.Integer), sa.literal_column("'a'", sa.Text)
    query = Prepared(sa.select(sa.literal_column("1")).where(among(one, "numbers"), among(other, "texts")))
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        found = query.scalar(connection, {"numbers": numbers, "texts": texts})
    engine.dispose()
    assert (found == 1) == (-7 in numbers and "a" in texts)
