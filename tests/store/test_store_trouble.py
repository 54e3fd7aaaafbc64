"""A failing database: accepted groups stay, others are refused in time, and the store recovers by itself."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sized
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from bridge.core.errors import StoreDown, StoreUnavailable
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import Accepted, ChannelCapacity, Sent
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreDeliveries, StoreIntake, StoreReader, open_database
from bridge.store.database import postgres_patience, reading, transaction
from bridge.store.tables import incident, outside_ping
from tests.builders import a_group, an_alert, at
from tests.end_to_end.machines import eventually

POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})
CAPACITIES = [ChannelCapacity("pager", 100, None, 100, 60.0)]
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@dataclass
class Intake:
    """The store's intake as a sender sees it."""

    store: StoreIntake

    def send(self, key: str, text: str = "") -> int:
        """The status for Alertmanager: 200 or 503."""
        try:
            self.store.accept(a_group(an_alert(summary=text), key=key))
        except StoreUnavailable:
            return 503
        return 200


@contextlib.contextmanager
def accepting(engine: sa.Engine, **more: float) -> Iterator[Intake]:
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(0), **more)  # type: ignore[arg-type]
    try:
        yield Intake(intake)
    finally:
        intake.close()


@pytest.fixture
def file(database_url: str) -> Path:
    return Path(sa.make_url(database_url).database or "")


def kept(engine: sa.Engine) -> set[str]:
    with reading(engine) as connection:
        return set(connection.scalars(sa.select(incident.c.group_key)))


def limit_pages(engine: sa.Engine, pages: int) -> None:
    """As a disk with this much space: SQLite returns the same SQLITE_FULL. The limit applies per connection."""
    engine.dispose()
    sa.event.listen(engine, "connect", lambda raw, _: raw.execute(f"PRAGMA max_page_count={pages}"))


@only_sqlite
def test_a_full_disk_is_503_loses_nothing_and_recovers(engine: sa.Engine, file: Path) -> None:
    accepted: set[str] = set()
    with accepting(engine) as intake:
        accepted |= {"before"} if intake.send("before") == 200 else set()
        limit_pages(engine, file.stat().st_size // 4096 + 12)
        answers = {f"full-{n}": intake.send(f"full-{n}", "x" * 3000) for n in range(40)}
        accepted |= {key for key, answer in answers.items() if answer == 200}
        assert answers["full-39"] == 503
        assert kept(engine) == accepted
        limit_pages(engine, 1_000_000)
        assert intake.send("after") == 200
    assert kept(engine) == accepted | {"after"}


@only_sqlite
def test_reading_works_and_settling_is_refused_while_the_disk_is_full(engine: sa.Engine, file: Path) -> None:
    store = StoreDeliveries(engine)
    with accepting(engine) as intake:
        intake.send("one")
    (claim,) = store.claim(CAPACITIES, at(1))
    limit_pages(engine, file.stat().st_size // 4096)
    with pytest.raises(StoreUnavailable, match="full"):
        store.settle([(claim, Sent({"state": "x" * 100_000}))], at(2))
    assert list(store.incidents([1])) == [1]
    limit_pages(engine, 1_000_000)
    store.settle([(claim, Sent({"state": "triggered"}))], at(3))
    assert StoreReader(engine).deliveries(1)[0].status == "delivered"


@only_sqlite
def test_a_read_only_file_is_503_until_it_can_be_written_again(engine: sa.Engine) -> None:
    def forbid(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA query_only=ON")  # the same errors as on a read-only file system

    with accepting(engine) as intake:
        assert intake.send("before") == 200
        engine.dispose()
        sa.event.listen(engine, "connect", forbid)
        assert intake.send("meanwhile") == 503
        with pytest.raises(StoreUnavailable, match="readonly"):
            StoreDeliveries(engine).claim(CAPACITIES, at(1))
        sa.event.remove(engine, "connect", forbid)
        engine.dispose()
        assert intake.send("meanwhile") == 200
    assert kept(engine) == {"before", "meanwhile"}


@only_sqlite
def test_a_folder_without_room_for_the_lock_files_is_503(engine: sa.Engine, file: Path) -> None:
    turn = Path(f"{file}.turn")
    with accepting(engine) as intake:
        assert intake.send("before") == 200
        turn.unlink()
        turn.mkdir()  # cannot be opened, not even by root
        assert intake.send("meanwhile") == 503
        turn.rmdir()
        assert intake.send("meanwhile") == 200


@contextlib.contextmanager
def locked(engine: sa.Engine) -> Iterator[None]:
    """Another process has the lock that a webhook needs: a backup, or a user at a prompt."""
    if engine.dialect.name == "sqlite":
        with contextlib.closing(sqlite3.connect(engine.url.database or "", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.execute("ROLLBACK")
    else:
        with engine.connect() as other:
            other.execute(sa.text("LOCK TABLE incident IN ACCESS EXCLUSIVE MODE"))
            yield


def test_a_lock_beyond_the_maximum_delay_is_503_and_the_next_attempt_is_stored(
    engine: sa.Engine,
) -> None:
    with accepting(engine, patience_seconds=0.3) as intake:
        with locked(engine):
            assert intake.send("a") == 503
        eventually(lambda: intake.send("a") == 200)
        eventually(lambda: intake.send("b") == 200)
    assert kept(engine) == {"a", "b"}
    assert len(StoreReader(engine).list_incidents()) == 2


def test_while_the_database_hangs_new_webhooks_are_refused_at_once(engine: sa.Engine) -> None:
    with accepting(engine, patience_seconds=600, stuck_seconds=0.2) as intake, contextlib.ExitStack() as lock:
        lock.enter_context(locked(engine))
        answers: list[int] = []
        first = threading.Thread(target=lambda: answers.append(intake.send("first")))
        first.start()
        eventually(lambda: intake.store._began is not None)
        time.sleep(0.3)
        assert intake.send("second") == 503  # would wait for ten minutes
        lock.close()
        first.join(300)
        assert answers == [200]
        eventually(lambda: intake.send("second") == 200)


def test_a_blocked_store_is_detected_without_any_webhook(engine: sa.Engine) -> None:
    with accepting(engine, fresh_seconds=0.0) as intake:
        assert intake.store.fault(20) == ""
        with locked(engine):
            assert intake.store.fault(0.1) == "a small write takes longer than 0.1 s"
        eventually(lambda: not intake.store.fault(20))
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT id FROM outside_ping")).all() == []


def test_many_checks_try_one_write(engine: sa.Engine) -> None:
    with accepting(engine, fresh_seconds=0.0) as intake, locked(engine):
        assert {intake.store.fault(0.01) for _ in range(20)} == {"a small write takes longer than 0.01 s"}
        assert intake.store._orders.qsize() <= 1


def test_a_recent_commit_counts_as_a_successful_check(engine: sa.Engine) -> None:
    with accepting(engine, fresh_seconds=600) as intake:
        assert intake.send("one") == 200
        with locked(engine):
            assert intake.store.fault(0) == ""


@only_sqlite
def test_a_successful_small_write_does_not_clear_the_fault_of_a_refused_webhook(engine: sa.Engine, file: Path) -> None:
    with accepting(engine, fresh_seconds=0.0) as intake:
        limit_pages(engine, file.stat().st_size // 4096 + 3)
        assert intake.send("large", "x" * 100_000) == 503
        assert "full" in intake.store.fault(20)
        limit_pages(engine, 1_000_000)
        assert "full" in intake.store.fault(20)  # though it could be written now
        assert intake.send("large", "x" * 100_000) == 200
        assert intake.store.fault(20) == ""


@only_sqlite
def test_the_fault_of_a_refused_webhook_expires(engine: sa.Engine, file: Path) -> None:
    with accepting(engine, fresh_seconds=0.0, refusal_seconds=0.0) as intake:
        limit_pages(engine, file.stat().st_size // 4096 + 3)
        assert intake.send("large", "x" * 100_000) == 503
        limit_pages(engine, 1_000_000)
        assert intake.store.fault(20) == ""


@only_sqlite
def test_a_read_only_file_is_detected_without_any_webhook(engine: sa.Engine) -> None:
    def forbid(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA query_only=ON")

    with accepting(engine, fresh_seconds=0.0) as intake:
        engine.dispose()
        sa.event.listen(engine, "connect", forbid)
        assert "readonly" in intake.store.fault(20)
        sa.event.remove(engine, "connect", forbid)
        engine.dispose()
        assert intake.store.fault(20) == ""


@only_postgresql
def test_a_read_only_server_is_detected_without_any_webhook(engine: sa.Engine) -> None:
    name = engine.url.database
    with accepting(engine, fresh_seconds=0.0) as intake:
        assert intake.store.fault(20) == ""
        execute_as_administrator(engine, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        engine.dispose()
        assert "read-only transaction" in intake.store.fault(20)
        execute_as_administrator(engine, f"ALTER DATABASE {name} SET default_transaction_read_only = off")
        eventually(lambda: not intake.store.fault(20))


@only_sqlite
def test_groups_that_waited_for_a_lock_in_vain_are_refused_together(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, the last of many would be attempted long after its sender had closed the connection."""
    attempts: list[int] = []
    with accepting(engine) as intake:
        store = intake.store

        def commit(groups: Sized) -> None:
            attempts.append(len(groups))
            down()

        monkeypatch.setattr(store, "_commit", commit)
        answers = [Future[Accepted]() for _ in range(5)]
        store._store([(a_group(an_alert(), key=f"key-{n}"), each) for n, each in enumerate(answers)])
        assert attempts == [5]
        assert {type(each.exception()) for each in answers} == {StoreDown}


def down() -> None:
    raise StoreDown("locked")


@only_sqlite
def test_a_corrupt_page_affects_only_its_own_rows(engine: sa.Engine, file: Path) -> None:
    store = StoreDeliveries(engine)
    with accepting(engine) as intake:
        assert {intake.send(f"key-{n}", "x" * 2500) for n in range(20)} == {200}
        corrupt(engine, file, "key-7")
        assert intake.send("after") == 200
        assert intake.send("key-7") == 503  # the webhook of an unreadable incident is refused for now
    claims = {claim.incident_number for claim in store.claim(CAPACITIES, at(1))}
    readable = {number for number in range(1, 22) if _can_be_read(store, number)}
    assert claims == readable
    assert 21 - len(readable) in (1, 2)  # a page holds one alert of this size, or parts of two
    assert store.claim(CAPACITIES, at(2)) == [], "unreadable deliveries stay leased"


def corrupt(engine: sa.Engine, file: Path, key: str) -> None:
    """Overwrites the page with this incident's alert, as a bad disk does."""
    number = next(n for n in range(1, 30) if (found := StoreReader(engine).incident(n)) and found.group_key == key)
    with engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alert SET generator_url = 'spoil-me' WHERE incident_number = ?", (number,))
        connection.commit()
    with contextlib.closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    content = file.read_bytes()
    start = content.index(b"spoil-me") // 4096 * 4096
    file.write_bytes(content[:start] + b"\xa5" * 4096 + content[start + 4096 :])


def _can_be_read(store: StoreDeliveries, number: int) -> bool:
    try:
        return bool(store.incidents([number]))
    except StoreUnavailable:
        return False


@only_sqlite
def test_a_file_that_is_no_database_is_refused_with_an_explanation(database_url: str, file: Path) -> None:
    file.write_bytes(b"PK\x03\x04" * 4096)
    with pytest.raises(StoreUnavailable, match=r"cannot open .*not a database"):
        open_database(database_url)


@only_postgresql
def test_after_a_failover_connections_to_the_read_only_server_are_closed(engine: sa.Engine, database_url: str) -> None:
    """A demoted primary still serves its existing connections, and refuses their writes."""
    name = sa.make_url(database_url).database
    with accepting(engine) as intake:
        assert intake.send("before") == 200
        execute_as_administrator(engine, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        engine.dispose()
        assert intake.send("meanwhile") == 503
        execute_as_administrator(engine, f"ALTER DATABASE {name} SET default_transaction_read_only = off")
        eventually(lambda: intake.send("meanwhile") == 200)
    assert kept(engine) == {"before", "meanwhile"}


def execute_as_administrator(engine: sa.Engine, command: str) -> None:
    server = sa.create_engine(engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text(command))
    server.dispose()


@only_postgresql
def test_a_server_that_vanished_is_detected_within_seconds(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        parameters = connection.connection.dbapi_connection.info.get_parameters()  # type: ignore[union-attr]
    noticed = ("connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
    assert [parameters[name] for name in noticed] == ["5", "10", "5", "3", "20000"]


def test_timeouts_in_the_url_take_precedence() -> None:
    url = sa.make_url("postgresql://db/bridge?connect_timeout=60")
    assert "connect_timeout" not in postgres_patience(url)
    assert "tcp_user_timeout" in postgres_patience(url)


def test_an_exhausted_pool_is_an_unavailable_store(database_url: str) -> None:
    open_database(database_url).dispose()
    engine = sa.create_engine(sa.make_url(database_url), pool_size=1, max_overflow=0, pool_timeout=0.05)
    with engine.connect():
        for call in (
            lambda: StoreReader(engine).list_incidents(),
            lambda: StoreDeliveries(engine).claim(CAPACITIES, at(0)),
        ):
            with pytest.raises(StoreUnavailable, match="in use"):
                call()
    engine.dispose()


@only_sqlite
def test_what_sqlite_rolled_back_by_itself_does_not_count_as_stored(engine: sa.Engine) -> None:
    """As after a full disk. Whoever caught the fault goes on, and the commit of nothing would succeed."""
    with pytest.raises(StoreUnavailable, match="rolled the transaction back") as caught:
        _write_and_catch(
            engine, "INSERT OR ROLLBACK INTO outside_ping (id, due_at) SELECT id, due_at FROM outside_ping"
        )
    assert not isinstance(caught.value, StoreDown)  # what was stored with it is tried again apart
    with transaction(engine) as connection:
        assert connection.scalars(sa.select(outside_ping.c.id)).all() == []


def _write_and_catch(engine: sa.Engine, refused: str) -> None:
    with transaction(engine) as connection:
        connection.execute(sa.insert(outside_ping).values(id=7, due_at=at(0)))
        with contextlib.suppress(sa.exc.SQLAlchemyError), connection.begin_nested():
            connection.exec_driver_sql(refused)
