"""What a database is asked meanwhile, with SQLAlchemy or by a prepared statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.store import prepared

_WAYS = ("fetch", "run", "run_many")


@contextmanager
def statements(engine: sa.Engine, after: Callable[[str], object] = lambda sql: None) -> Iterator[list[tuple[str, Any]]]:
    """Each with its parameters, once it has been executed. after: called then, in the thread that executed it."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        seen.append((sql, parameters))
        after(sql)

    sa.event.listen(engine, "after_cursor_execute", note)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for way in _WAYS:
                patch.setattr(prepared._Compiled, way, _noting(getattr(prepared._Compiled, way), note))
            yield seen
    finally:
        sa.event.remove(engine, "after_cursor_execute", note)


def reads(asked: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Those that read, and neither write nor begin."""
    return [(sql, parameters) for sql, parameters in asked if sql.startswith("SELECT")]


def _noting(execute: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
    def noted(compiled: Any, connection: sa.Connection, parameters: Any) -> Any:
        found = execute(compiled, connection, parameters)
        first = parameters[0] if isinstance(parameters, list) else parameters
        note(connection, None, compiled.sql, compiled._bound(first))
        return found

    return noted
