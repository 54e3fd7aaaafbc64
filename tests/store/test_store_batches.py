"""Many groups in one transaction: what each of them becomes, and the numbers that people say aloud."""

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


def test_a_group_that_comes_twice_in_one_batch_is_one_incident_with_what_both_said(engine: sa.Engine) -> None:
    one, both = a_group(an_alert()), a_group(an_alert(), an_alert(instance="b"))
    assert [(1, "opened"), (2, "opened"), (1, "changed")] == received(
        engine, one, a_group(an_alert(), key="other"), both
    )
    found = StoreReader(engine).incident(1)
    assert found is not None
    assert (2, 2) == (found.revision, len(found.alerts))
    assert ["opened", "joined"] == [entry.kind for entry in StoreReader(engine).timeline(1)]


def test_batches_number_their_incidents_one_after_the_other(engine: sa.Engine) -> None:
    received(engine, *(a_group(an_alert(), key=name) for name in "ab"))
    assert [(1, "duplicate"), (3, "opened")] == received(engine, *(a_group(an_alert(), key=name) for name in "ac"))


def test_what_a_failed_batch_would_have_opened_is_opened_by_the_next(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        receive_groups(connection, POLICY, [a_group(an_alert())], at(1))
        connection.rollback()
    ((number, outcome),) = received(engine, a_group(an_alert()))
    assert "opened" == outcome
    assert StoreReader(engine).incident(number) is not None


def test_the_number_of_an_incident_that_was_forgotten_is_not_used_again(engine: sa.Engine) -> None:
    received(engine, a_group(an_alert()))
    with transaction(engine) as connection:
        connection.execute(sa.text("UPDATE incident SET state = 'resolved'"))
        connection.execute(sa.text("DELETE FROM delivery"))
    assert 1 == StoreDeliveries(engine).forget(at(100))
    assert [(2, "opened")] == received(engine, a_group(an_alert()), minute=101)
