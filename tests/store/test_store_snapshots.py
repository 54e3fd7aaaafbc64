"""A claim is a snapshot of the delivery, its incident and its news. A change in between is another claim.

Another connection makes the change at each statement of the claiming transaction.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from bridge.core.model import Group
from bridge.core.ports import Claim, Sent
from bridge.store import StoreActions, StoreDeliveries, StoreIntake, StoreReader
from tests.builders import a_group, an_alert
from tests.store.small_store import CAPACITIES, POLICY, Clock, one
from tests.store.statements import statements

#: More than the transaction has. On SQLite a writer waits for its end anyway; on PostgreSQL it may come in between.
STATEMENTS = range(1, 13)
WAIT_SECONDS = 0.3  #: for a writer that may have to wait for this thread


@contextmanager
def at_statement(engine: sa.Engine, number: int, work: Callable[[], object]) -> Iterator[None]:
    """Starts the work in another thread after the given statement of this thread, and lets it finish if it can."""
    ours, passed, threads = threading.get_ident(), [0], list[threading.Thread]()

    def passing(_: str) -> None:
        if threading.get_ident() != ours:
            return
        passed[0] += 1
        if passed[0] == number:
            threads.append(threading.Thread(target=work))
            threads[0].start()
            threads[0].join(WAIT_SECONDS)

    try:
        with statements(engine, after=passing):
            yield
    finally:
        for thread in threads:
            thread.join(30)


def is_one_moment(claim: Claim) -> None:
    incident = claim.incident
    assert claim.revision == incident.revision
    assert claim.firing is bool(incident.firing) is not incident.resolved
    assert incident.revision == max(entry.revision for entry in claim.news)


def fired_and_ended() -> tuple[Group, Group]:
    return a_group(an_alert()), a_group(an_alert(ends=1))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_an_end_during_the_claim_of_the_trigger_is_its_own_claim(
    engine: sa.Engine, intake: StoreIntake, store: StoreDeliveries, clock: Clock, statement: int
) -> None:
    begin, end = fired_and_ended()
    intake.accept(begin)
    with at_statement(engine, statement, lambda: intake.accept(end)):
        claims = store.claim(CAPACITIES, clock())
    for claim in claims:  # none if PostgreSQL's writer was first: then it ended before anything was sent
        is_one_moment(claim)
        store.settle([(claim, Sent({"state": "triggered"}))], clock())
    intake.accept(end)  # where nothing came in between
    for claim in store.claim(CAPACITIES, clock.forward(1)):
        is_one_moment(claim)
        assert not claim.firing
        store.settle([(claim, Sent({}))], clock())
    assert store.claim(CAPACITIES, clock.forward(100)) == []
    (delivery,) = StoreReader(engine).deliveries(1)
    assert delivery.status == ("delivered" if claims else "skipped")
    assert delivery.sent in (2, 0)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_new_outbreak_during_the_claim_of_the_end_is_its_own_claim(
    engine: sa.Engine, intake: StoreIntake, store: StoreDeliveries, clock: Clock, statement: int
) -> None:
    begin, end = fired_and_ended()
    intake.accept(begin)
    store.settle([(one(store.claim(CAPACITIES, clock())), Sent({"state": "triggered"}))], clock())
    intake.accept(end)
    again = a_group(an_alert(starts=2))
    with at_statement(engine, statement, lambda: intake.accept(again)):
        claims = store.claim(CAPACITIES, clock.forward(1))
    intake.accept(again)  # where nothing came in between
    for claim in claims:
        is_one_moment(claim)
        store.settle([(claim, Sent({"state": "resolved"}))], clock())
    for claim in store.claim(CAPACITIES, clock.forward(1)):
        is_one_moment(claim)
        assert claim.firing
        store.settle([(claim, Sent({"state": "triggered"}))], clock())
    assert store.claim(CAPACITIES, clock.forward(100)) == []
    (delivery,) = StoreReader(engine).deliveries(1)
    assert (delivery.status, delivery.sent) == ("delivered", 3)


def test_all_targets_of_one_incident_claim_the_same_revision(
    engine: sa.Engine, intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    group = a_group(an_alert("Down", "critical"), an_alert("Slow", "warning"), an_alert("New", "info"))
    intake.accept(group)
    more = a_group(an_alert("Down", "critical", ends=1), *group.alerts[1:])
    with at_statement(engine, 4, lambda: intake.accept(more)):
        claims = store.claim(CAPACITIES, clock())
    assert {"pager", "mail", "slack"} >= {claim.target.channel for claim in claims}
    assert len({claim.revision for claim in claims}) <= 1
    assert all(claim.incident == claims[0].incident for claim in claims)


def test_a_quiet_change_is_in_the_waiting_mail_and_causes_no_second_one(
    engine: sa.Engine, intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert("Slow", "warning"), an_alert("Late", "warning")))
    intake.accept(a_group(an_alert("Slow", "warning"), an_alert("Late", "warning", ends=1)))  # quiet: revision 2
    claims = store.claim(CAPACITIES, clock())
    assert {claim.revision for claim in claims} == {2}
    assert {claim.incident.revision for claim in claims} == {2}
    store.settle([(claim, Sent({})) for claim in claims], clock())
    assert store.claim(CAPACITIES, clock.forward(100)) == []
    assert {(each.wanted, each.sent) for each in StoreReader(engine).deliveries(1)} == {(2, 2)}


def test_the_bytes_of_an_unknown_attempt_are_sent_again_despite_a_quiet_change(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    """A different mail with the same Message-ID could not be distinguished from it."""
    intake.accept(a_group(an_alert("Slow", "warning"), an_alert("Late", "warning")))
    claims = store.claim(CAPACITIES, clock())
    store.freeze([(claim, b"of revision 1") for claim in claims])  # and dies
    intake.accept(a_group(an_alert("Slow", "warning"), an_alert("Late", "warning", ends=1)))
    again = store.claim(CAPACITIES, clock.forward(61))
    assert {(each.frozen, each.revision, each.incident.revision) for each in again} == {(b"of revision 1", 1, 2)}
    store.freeze([(claim, b"of revision 1") for claim in again])
    intake.accept(a_group(an_alert("Slow", "warning", ends=2), an_alert("Late", "warning", ends=1)))
    latest = store.claim(CAPACITIES, clock.forward(61))
    assert {(each.frozen, each.revision, each.firing) for each in latest} == {(None, 3, False)}


def test_a_delivery_settled_during_a_quiet_change_is_not_sent_again(
    engine: sa.Engine, intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    """The change has read the delivery as pending, for the revision that is delivered meanwhile."""
    number = intake.accept(a_group(an_alert("Slow", "warning"))).number
    claims = store.claim(CAPACITIES, clock())
    actions = StoreActions(engine, lambda: POLICY)

    def settle() -> None:
        store.settle([(claim, Sent({})) for claim in claims], clock())

    for statement in STATEMENTS:
        with at_statement(engine, statement, settle):
            actions.acknowledge(number, "ada", clock())
    assert store.claim(CAPACITIES, clock.forward(100)) == []
    assert {(each.status, each.sent) for each in StoreReader(engine).deliveries(number)} == {("delivered", 1)}


def test_two_workers_claim_deliveries_of_one_incident_concurrently(
    engine: sa.Engine, intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    """Each claims another target; neither waits for the other."""
    intake.accept(a_group(an_alert("Down", "critical"), an_alert("Slow", "warning"), an_alert("New", "info")))
    other, found = StoreDeliveries(engine, "other"), list[Claim]()
    pager, rest = CAPACITIES[:1], CAPACITIES[1:]
    with at_statement(engine, 4, lambda: found.extend(other.claim(rest, clock()))):
        found.extend(store.claim(pager, clock()))
    assert sorted(claim.target.channel for claim in found) == ["mail", "mail", "pager", "slack"]
