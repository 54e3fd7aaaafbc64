"""Many groups in one transaction: the incident of each, and their numbers."""

from __future__ import annotations

import sqlalchemy as sa

from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec, Group
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreDeliveries, StoreReader
from bridge.store.database import transaction
from bridge.store.receiving import receive_groups
from tests.builders import a_group, an_alert, at

POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})


def received(engine: sa.Engine, *groups: Group, minute: int = 1) -> list[tuple[int, str]]:
    with transaction(engine) as connection:
        return [(each.number, each.outcome) for each in receive_groups(connection, POLICY, groups, at(minute))]


def test_a_group_that_is_twice_in_one_batch_is_one_incident_with_all_alerts(engine: sa.Engine) -> None:
    one, both = a_group(an_alert()), a_group(an_alert(), an_alert(instance="b"))
    assert received(engine, one, a_group(an_alert(), key="other"), both) == [
        (1, "opened"),
        (2, "opened"),
        (1, "changed"),
    ]
    found = StoreReader(engine).incident(1)
    assert found is not None
    assert (found.revision, len(found.alerts)) == (2, 2)
    assert [entry.kind for entry in StoreReader(engine).timeline(1)] == ["opened", "joined"]


def test_batches_number_their_incidents_consecutively(engine: sa.Engine) -> None:
    received(engine, *(a_group(an_alert(), key=name) for name in "ab"))
    assert received(engine, *(a_group(an_alert(), key=name) for name in "ac")) == [(1, "duplicate"), (3, "opened")]


def test_the_incidents_of_a_failed_batch_are_opened_by_the_next(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        receive_groups(connection, POLICY, [a_group(an_alert())], at(1))
        connection.rollback()
    ((number, outcome),) = received(engine, a_group(an_alert()))
    assert outcome == "opened"
    assert StoreReader(engine).incident(number) is not None


def test_the_number_of_a_deleted_incident_is_not_used_again(engine: sa.Engine) -> None:
    received(engine, a_group(an_alert()))
    with transaction(engine) as connection:
        connection.execute(sa.text("UPDATE incident SET state = 'resolved'"))
        connection.execute(sa.text("DELETE FROM delivery"))
    assert StoreDeliveries(engine).forget(at(100)) == 1
    assert received(engine, a_group(an_alert()), minute=101) == [(2, "opened")]
