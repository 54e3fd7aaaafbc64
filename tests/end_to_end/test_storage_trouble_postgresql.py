"""A PostgreSQL that takes no writes, or whose tables are locked, under real processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
import pytest
import requests

from tests.end_to_end.machines import Bridge, eventually
from tests.end_to_end.storing import Sender, gauge, not_ready, started
from tests.operating.machines import for_libpq, new_database

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def on_postgresql(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    with started(tmp_path_factory.mktemp("on-postgresql"), new_database(postgres_url)) as bridge:
        yield Sender(bridge)


@contextlib.contextmanager
def beside(bridge: Bridge) -> Iterator[psycopg.Connection]:
    """Another user of the same server."""
    with psycopg.connect(for_libpq(bridge.database_url), autocommit=True) as connection:
        yield connection


def end_others(connection: psycopg.Connection) -> None:
    """As a failover does."""
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    connection.execute(f"SELECT pg_terminate_backend(pid) {others}")


def test_a_server_that_takes_no_writes_is_503_not_ready_and_over_when_it_does(on_postgresql: Sender) -> None:
    bridge = on_postgresql.bridge
    assert on_postgresql.send("before") == 200
    with beside(bridge) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        end_others(connection)
        eventually(lambda: not_ready(bridge, "cannot be written", "read-only"))
        assert on_postgresql.send("meanwhile") == 503
        assert gauge(bridge, "bridge_store_writable") == 0.0
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
        end_others(connection)
    eventually(lambda: on_postgresql.send("meanwhile") == 200)
    eventually(bridge.ready)


@pytest.mark.parametrize("table", ["incident", "event"])
def test_a_table_that_is_locked_is_noticed_while_nothing_comes_in_and_holds_up_no_probe(
    on_postgresql: Sender, table: str
) -> None:
    bridge = on_postgresql.bridge
    eventually(bridge.ready)
    with beside(bridge) as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        eventually(lambda: not_ready(bridge))
        codes = [
            requests.get(f"{bridge.url}{path}", timeout=60).status_code for path in ("/-/ready", "/-/healthy") * 20
        ]
        assert codes == [503, 200] * 20
    eventually(bridge.ready)
