"""Statements that run for every event: SQLAlchemy compiles them once, and the driver runs them from then on.

Invariant: they run in the transaction of the connection that is passed in, and fail as any other statement does.

SQLAlchemy spends on each execution what ten of SQLite's cost: cache keys, contexts, result objects. See
docs/decisions/0022-prepared-statements.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Self

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement, ReturnsRows
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

Parameters = Mapping[str, Any]
_NONE: Parameters = MappingProxyType({})
_Processor = Callable[[Any], Any]


class Prepared:
    """One statement, made once. A list of values is one parameter: see among().

    Its rows are for the functions of store.rows alone. Each method raises DBAPIError as SQLAlchemy does, which
    store.database translates; and KeyError for a parameter that is missing.
    """

    def __init__(self, statement: sa.Executable | Callable[[str], sa.Executable]) -> None:
        """statement: or what makes it, for a dialect's name: `sqlite` or `postgresql`."""
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: sa.Connection, parameters: Parameters = _NONE) -> list[dict[str, Any]]:
        compiled = self._for(connection.dialect)
        return compiled.rows(compiled.fetch(connection, parameters))

    def first(self, connection: sa.Connection, parameters: Parameters = _NONE) -> dict[str, Any] | None:
        """None where there is no row."""
        return next(iter(self.rows(connection, parameters)), None)

    def scalars(self, connection: sa.Connection, parameters: Parameters = _NONE) -> list[Any]:
        """The first column's values."""
        compiled = self._for(connection.dialect)
        return compiled.scalars(compiled.fetch(connection, parameters))

    def scalar(self, connection: sa.Connection, parameters: Parameters = _NONE) -> Any:
        """The first of them; None where there is no row."""
        return next(iter(self.scalars(connection, parameters)), None)

    def run(self, connection: sa.Connection, parameters: Parameters = _NONE) -> int:
        """How many rows it changed."""
        return self._for(connection.dialect).run(connection, parameters)

    def run_many(self, connection: sa.Connection, rows: Sequence[Parameters]) -> None:
        """Once for each; none is none."""
        if rows:
            self._for(connection.dialect).run_many(connection, rows)

    def _for(self, dialect: Dialect) -> _Compiled:
        """By its name: what this bridge's statements become does not depend on a server's version."""
        if (found := self._compiled.get(dialect.name)) is None:
            statement = self._statement if isinstance(self._statement, sa.Executable) else self._statement(dialect.name)
            found = self._compiled[dialect.name] = _Compiled(statement, dialect)
        return found


class _Compiled:
    """SQL for one dialect, and how values go in and out: what SQLAlchemy's compiler and types say."""

    def __init__(self, statement: sa.Executable, dialect: Dialect) -> None:
        assert isinstance(statement, ClauseElement)
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        _refuse_unfinished(compiled)
        self.sql, self._dialect = compiled.string, dialect
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        processors = {name: _processor(bind.type, dialect, "bind") for name, bind in binds.items()}
        self._in = [(name, process) for name, process in processors.items() if process is not None]
        self._constants = {name: bind.value for name, bind in binds.items() if not bind.required}
        self._arranged = _arranged(compiled.positiontup) if compiled.positional else dict
        columns: list[tuple[str, sa.ColumnElement[Any]]] = []
        if isinstance(statement, ReturnsRows):
            columns = list(statement.exported_columns.items())
        self._names = tuple(name for name, _ in columns)
        out = [_processor(column.type, dialect, "result") for _, column in columns]
        self._out = [(name, process) for name, process in zip(self._names, out, strict=True) if process is not None]
        self._first = out[0] if out else None

    def rows(self, found: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [dict(zip(self._names, values, strict=True)) for values in found]
        for row in rows:
            for name, process in self._out:
                row[name] = process(row[name])
        return rows

    def scalars(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        process = self._first
        return [values[0] if process is None else process(values[0]) for values in found]

    def fetch(self, connection: sa.Connection, parameters: Parameters) -> Sequence[Sequence[Any]]:
        driver = _driver(connection)
        try:
            return driver.execute(self.sql, self._bound(parameters)).fetchall()  # type: ignore[no-any-return]
        except self._dialect.loaded_dbapi.Error as fault:
            raise failure(connection, self.sql, fault) from fault

    def run(self, connection: sa.Connection, parameters: Parameters) -> int:
        driver = _driver(connection)
        try:
            return int(driver.execute(self.sql, self._bound(parameters)).rowcount)
        except self._dialect.loaded_dbapi.Error as fault:
            raise failure(connection, self.sql, fault) from fault

    def run_many(self, connection: sa.Connection, rows: Iterable[Parameters]) -> None:
        driver = _driver(connection)
        try:
            driver.cursor().executemany(self.sql, [self._bound(row) for row in rows])
        except self._dialect.loaded_dbapi.Error as fault:
            raise failure(connection, self.sql, fault) from fault

    def _bound(self, parameters: Parameters) -> Any:
        values = {**self._constants, **parameters}
        for name, process in self._in:
            if (value := values[name]) is not None:
                values[name] = process(value)
        return self._arranged(values)


def failure(connection: sa.Connection, sql: str, fault: Exception) -> DBAPIError:
    """A driver's error as SQLAlchemy raises it; a connection that is broken is not used again."""
    dialect = connection.dialect
    is_broken = dialect.is_disconnect(fault, connection.connection.dbapi_connection, None)  # type: ignore[arg-type]
    if is_broken:
        connection.invalidate(fault)
    found = DBAPIError.instance(
        sql, None, fault, dialect.loaded_dbapi.Error, connection_invalidated=is_broken, dialect=dialect
    )
    assert isinstance(found, DBAPIError)
    return found


def among(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """Whether the column's value is in a list, the parameter `name`: of numbers or text, and of any length."""
    return _Among(column, sa.bindparam(name, type_=_ListOf(column.type)))


def is_one_of(column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """As among, with the list itself."""
    return _Among(column, sa.bindparam(None, values, type_=_ListOf(column.type), unique=True))


class _Among(FunctionElement[bool]):
    """IN, with one parameter: SQLite has a limit of their number, and each number would be another statement."""

    name = "among"
    type = sa.Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Self:
        """Not `... = 1`, as SQLAlchemy has it for SQLite: no index would be used."""
        return self


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY ({values})"


class _ListOf(TypeDecorator[Sequence[Any]]):
    """An array on PostgreSQL, on SQLite JSON."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, of: TypeEngine[Any]) -> None:
        super().__init__()
        self.of = of

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        of = sa.Text() if isinstance(self.of, sa.String) else self.of  # a cast to one of a length cuts
        return dialect.type_descriptor(sa.ARRAY(of) if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: Iterable[Any] | None, dialect: Dialect) -> Any:
        values = list(value or ())
        return values if dialect.name == "postgresql" else orjson.dumps(values).decode()


def _driver(connection: sa.Connection) -> Any:
    """The driver's connection, in a transaction that SQLAlchemy knows of."""
    if not connection.in_transaction():
        connection.begin()
    return connection.connection.dbapi_connection


def _processor(kind: TypeEngine[Any], dialect: Dialect, way: str) -> _Processor | None:
    """None where the driver gives and takes our values. Our own types are called without SQLAlchemy in between."""
    if way == "bind" and isinstance(kind, sa.Boolean):
        return None  # every driver takes one
    impl = kind.dialect_impl(dialect)
    if isinstance(kind, TypeDecorator) and _plain(impl.impl_instance, dialect, way):  # type: ignore[attr-defined]
        own = kind.process_bind_param if way == "bind" else kind.process_result_value
        return lambda value: own(value, dialect)
    return impl.bind_processor(dialect) if way == "bind" else impl.result_processor(dialect, None)


def _plain(impl: TypeEngine[Any], dialect: Dialect, way: str) -> bool:
    """Whether the driver's values are as they are."""
    return (impl.bind_processor(dialect) if way == "bind" else impl.result_processor(dialect, None)) is None


def _arranged(names: Sequence[str] | None) -> Callable[[dict[str, Any]], Any]:
    """The values in the order of a statement's question marks."""
    match list(names or ()):
        case []:
            return lambda values: ()
        case [name]:
            return lambda values: (values[name],)
        case several:
            return itemgetter(*several)


def _refuse_unfinished(compiled: SQLCompiler) -> None:
    """What SQLAlchemy would do at each execution: lists written out, defaults made in Python."""
    lists, defaults = compiled.post_compile_params, (*compiled.insert_prefetch, *compiled.update_prefetch)
    if lists or defaults:
        unfinished = ", ".join(sorted({*(bind.key for bind in lists), *(column.key for column in defaults)}))
        raise TypeError(f"cannot be prepared because of {unfinished}: use among(), give every column: {compiled}")
