"""Changes on SQLite and PostgreSQL: stored once however often they are reported, and deleted after their retention."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from bridge.core.errors import StoreUnavailable
from bridge.core.facts import ChangeEvent
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import ChannelSpec
from bridge.core.routing.tree import Route
from bridge.store import (
    Policy,
    StoreChangeDeliveries,
    StoreChanges,
    StoreDeliveries,
    StoreIntake,
    StoreReader,
    database,
    open_database,
)
from bridge.store.rows import incident_row
from bridge.store.tables import incident, metadata
from tests.builders import a_group, an_alert, at

POLICY = Policy(Rules(), Route(notify=("slack",)), {"slack": ChannelSpec("slack")})
JOB = [{"job": "bert-api"}]


@pytest.fixture
def kept(engine: sa.Engine) -> StoreChanges:
    return StoreChanges(engine, lambda: at(1))


@pytest.fixture
def intake(engine: sa.Engine) -> Iterator[StoreIntake]:
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(1))
    yield intake
    intake.close()


def a_change(seconds: float = 0, **more: Any) -> ChangeEvent:
    fields: dict[str, Any] = {"kind": "deploy", "service": "bert-api", "at": at(seconds), "summary": "v2", **more}
    return ChangeEvent(**fields)


def deployed(starts: float = 0, **more: Any) -> Any:
    return an_alert("MLModelDeployed", "info", starts=starts, job="bert-api", version="v2", **more)


def test_a_change_is_read_as_it_was_recorded(kept: StoreChanges) -> None:
    labels = {"namespace": "ml", "model": "toxic „v2“"}
    change = a_change(version="v2", previous="v1", by="ann", link="https://x.org", labels=labels, source="ci", id="a")
    assert kept.record(change)
    assert kept.page_of_changes().items == (change,)


def test_a_repeated_change_is_stored_once(kept: StoreChanges) -> None:
    assert [kept.record(a_change(id=each)) for each in ("a", "a", "b")] == [True, False, True]
    assert [kept.record(a_change()), kept.record(a_change(summary="the retry"))] == [True, False]
    assert len(kept.page_of_changes().items) == 3


def test_only_one_of_many_concurrent_reports_is_the_first(engine: sa.Engine) -> None:
    """As with several web processes on one database."""
    answers: list[bool] = []
    together = threading.Barrier(6)

    def report() -> None:
        kept = StoreChanges(engine, lambda: at(1))
        together.wait()
        answers.extend(kept.record(a_change(id=str(each))) for each in range(10))

    threads = [threading.Thread(target=report) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(answers), sum(answers)) == (60, 10)


def test_the_changes_of_a_period_concern_the_alerts_and_are_sorted_newest_first(kept: StoreChanges) -> None:
    for seconds in (-61, -60, -30, 0, 1):
        kept.record(a_change(seconds, version=str(seconds)))
    kept.record(a_change(-29, version="-30", id="of the same deployment"))
    kept.record(a_change(-10, service="billing"))
    kept.record(a_change(-20, labels={"namespace": "test"}))
    found = kept.changes_for([{"job": "bert-api", "namespace": "ml"}], at(-60), at(0))
    assert [change.version for change in found] == ["0", "-30", "-60"]
    assert kept.changes_for([], at(-60), at(0)) == []


def test_only_the_newest_are_listed(kept: StoreChanges) -> None:
    for seconds in range(5):
        kept.record(a_change(seconds))
    assert [change.at for change in kept.page_of_changes(2).items] == [at(4), at(3)]


def test_an_alert_that_reports_a_change_is_recorded_once(intake: StoreIntake, kept: StoreChanges) -> None:
    first = intake.accept(a_group(deployed(), an_alert()))
    again = intake.accept(a_group(deployed(), an_alert()))
    over = intake.accept(a_group(deployed(ends=60), an_alert()))
    other_cluster_member = intake.accept(a_group(deployed(), source="peer"))
    assert [each.changes for each in (first, again, over, other_cluster_member)] == [("deploy",), (), (), ()]
    assert [(each.service, each.version, each.at) for each in kept.page_of_changes().items] == [
        ("bert-api", "v2", at(0))
    ]
    assert intake.accept(a_group(deployed(starts=90))).changes == ("deploy",)


def test_an_alert_first_received_after_its_end_reports_its_change(intake: StoreIntake, kept: StoreChanges) -> None:
    assert intake.accept(a_group(deployed(ends=60))).changes == ("deploy",)
    assert len(kept.changes_for(JOB, at(0), at(0))) == 1


def test_a_change_is_not_stored_without_its_incident(engine: sa.Engine, kept: StoreChanges) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE event")
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(1))
    with pytest.raises(StoreUnavailable):
        intake.accept(a_group(deployed()))
    intake.close()
    assert (kept.page_of_changes().items, StoreReader(engine).list_incidents()) == ((), [])


def test_two_groups_of_one_commit_report_one_change_once(engine: sa.Engine, kept: StoreChanges) -> None:
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(1))
    outcomes: list[tuple[str, ...]] = []
    blocked, go_on = threading.Event(), threading.Event()

    def block_the_writer() -> None:
        with database.transaction(engine):
            blocked.set()
            go_on.wait(300)

    def post(key: str) -> None:
        outcomes.append(intake.accept(a_group(deployed(), key=key)).changes)

    threads = [threading.Thread(target=block_the_writer)]
    threads[0].start()
    assert blocked.wait(300)
    threads += [threading.Thread(target=post, args=(key,)) for key in ("first", "second", "third")]
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    intake.close()
    assert sorted(outcomes) == [(), (), ("deploy",)]
    assert len(kept.page_of_changes().items) == 1


def test_old_changes_are_deleted_with_the_rest(engine: sa.Engine) -> None:
    early, late = StoreChanges(engine, lambda: at(0)), StoreChanges(engine, lambda: at(10))
    early.record(a_change(0))
    late.record(a_change(10))
    reported_late = a_change(-9999)
    late.record(reported_late)
    StoreDeliveries(engine).forget(at(5))
    assert [change.at for change in late.page_of_changes().items] == [at(10), at(-9999)]
    assert not late.record(reported_late)


def test_a_change_that_cannot_be_stored_raises(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/bridge.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE change")
    kept = StoreChanges(engine, lambda: at(1))
    with pytest.raises(StoreUnavailable):
        kept.record(a_change())
    with pytest.raises(StoreUnavailable):
        kept.page_of_changes()
    engine.dispose()


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
def test_an_older_database_keeps_its_incidents_and_gets_the_table_of_changes(
    empty_database_url: str, revision: str
) -> None:
    old = database._engine(sa.make_url(empty_database_url))
    _migrate(old, revision)
    with old.begin() as connection:
        there = {column["name"] for column in sa.inspect(connection).get_columns("incident")}
        stored = {name: value for name, value in _an_incident_row().items() if name in there}
        connection.execute(sa.insert(incident), [stored])
        assert sa.inspect(connection).has_table("change") == (revision != "0001")
    old.dispose()
    engine = open_database(empty_database_url)
    kept = StoreChanges(engine, lambda: at(1), lambda: ["pager"])
    assert kept.record(a_change())
    assert StoreChangeDeliveries(engine).waiting(["pager"], at(1)) == ["pager"]
    assert (
        len(kept.page_of_changes().items),
        [each.uid for each in StoreReader(engine).list_incidents()],
    ) == (1, ["u1"])
    engine.dispose()


def test_many_processes_may_migrate_one_database_at_once(empty_database_url: str) -> None:
    old = database._engine(sa.make_url(empty_database_url))
    _migrate(old, "0001")
    old.dispose()
    faults: list[BaseException] = []

    def start() -> None:
        try:
            open_database(empty_database_url).dispose()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_the_migrations_create_the_tables_of_the_code(database_url: str) -> None:
    engine = database._engine(sa.make_url(database_url))
    _migrate(engine, "head")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_newest_migrations_can_be_undone(engine: sa.Engine) -> None:
    _migrate(engine, "0001", up=False)
    with engine.connect() as connection:
        assert not sa.inspect(connection).has_table("change")
    _migrate(engine, "head")
    assert StoreChanges(engine, lambda: at(1)).record(a_change())


def _migrate(engine: sa.Engine, revision: str, *, up: bool = True) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).with_name("migrations")))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        (command.upgrade if up else command.downgrade)(config, revision)


def _an_incident_row() -> dict[str, Any]:
    change = receive(None, a_group(an_alert()), at(0), Rules(), "u1")
    assert change is not None
    return incident_row(change.incident)
