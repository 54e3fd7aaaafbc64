"""Groups in, claims out, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from bridge.core.delivery.dead_letters import DeadLetterFilter
from bridge.core.errors import Reason
from bridge.core.incidents.transitions import Rules
from bridge.core.ports import Begun, GiveUp, Sent
from bridge.core.routing.tree import Route
from bridge.store import (
    Policy,
    StoreActions,
    StoreDeadLetters,
    StoreDeliveries,
    StoreIntake,
    StoreReader,
)
from tests.builders import a_group, an_alert, at
from tests.store.small_store import CAPACITIES, POLICY, Clock, one


def test_an_accepted_group_is_there_to_be_delivered(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    accepted = intake.accept(a_group(an_alert()))
    claim = one(store.claim(CAPACITIES, clock()))
    assert ("opened", accepted.number, "pager") == (
        accepted.outcome,
        claim.incident_number,
        claim.target.channel,
    )
    incident = StoreReader(engine).incident(accepted.number)
    assert incident is not None
    assert incident.alerts == store.incidents([accepted.number])[accepted.number].alerts
    assert at(0) == next(iter(incident.alerts.values())).starts_at


def test_a_claimed_delivery_is_nobody_elses_until_its_lease_ends(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert()))
    first = one(store.claim(CAPACITIES, clock()))
    assert [] == store.claim(CAPACITIES, clock.forward(59))
    second = one(store.claim(CAPACITIES, clock.forward(2)))
    assert (False, True) == (first.unknown, second.unknown)
    assert at(1) == second.attempted_at
    store.settle([(first, Sent({"late": True}))], clock())  # its lease was taken over: changes nothing
    store.settle([(second, Sent({"ts": "1"}))], clock())
    assert [] == store.claim(CAPACITIES, clock.forward(100))


def test_a_dead_letter_is_still_unknown_if_an_earlier_try_was(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    number = intake.accept(a_group(an_alert())).number
    store.claim(CAPACITIES, clock())  # and dies
    store.settle([(one(store.claim(CAPACITIES, clock.forward(61))), GiveUp(Reason.DESTINATION, "gone"))], clock())
    StoreDeadLetters(engine).replay(DeadLetterFilter(number), clock())
    replayed = one(store.claim(CAPACITIES, clock()))
    assert (True, at(1)) == (replayed.unknown, replayed.attempted_at)


def test_a_channel_that_the_routes_name_no_more_never_tells_of_what_is_over(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert()))
    one(store.claim(CAPACITIES, clock()))  # by a worker that dies
    intake._policy = lambda: Policy(Rules(), Route(notify=()), POLICY.channels)
    intake.accept(a_group(an_alert(ends=5)))
    assert not one(store.claim(CAPACITIES, clock.forward(61))).firing


def test_a_dead_letter_to_such_a_channel_is_replayed_to_nobody_once_it_is_over(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    number = intake.accept(a_group(an_alert())).number
    store.settle([(one(store.claim(CAPACITIES, clock())), GiveUp(Reason.DESTINATION, "gone"))], clock())
    intake._policy = lambda: Policy(Rules(), Route(notify=()), POLICY.channels)
    intake.accept(a_group(an_alert(ends=5)))
    StoreDeadLetters(engine).replay(DeadLetterFilter(number), clock())
    assert [] == store.claim(CAPACITIES, clock.forward(61))
    assert ["skipped"] == [each.status for each in StoreReader(engine).deliveries(number)]


def test_what_is_begun_is_due_at_once_and_is_known(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    intake.accept(a_group(an_alert()))
    store.settle([(one(store.claim(CAPACITIES, clock())), Begun({"state": "half"}))], clock())
    rest = one(store.claim(CAPACITIES, clock()))
    assert (0, {"state": "half"}, False, 0) == (rest.sent, rest.handle, rest.unknown, rest.attempts)
    store.settle([(rest, Sent({"state": "whole"}))], clock())
    assert [] == store.claim(CAPACITIES, clock.forward(100))


def test_an_unknown_first_try_knows_what_its_channel_said_of_others(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    for key, said in (("1", {"place": "old"}), ("2", {"place": "new"})):
        intake.accept(a_group(an_alert(), key=key))
        store.settle([(one(store.claim(CAPACITIES, clock())), Sent(said))], clock.forward(1))
    intake.accept(a_group(an_alert(), key="3"))
    assert {} == one(store.claim(CAPACITIES, clock())).other_handle
    assert {"place": "new"} == one(store.claim(CAPACITIES, clock.forward(61))).other_handle


def test_a_resolve_cannot_overtake_its_trigger(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    intake.accept(a_group(an_alert()))
    trigger = one(store.claim(CAPACITIES, clock()))
    intake.accept(a_group(an_alert(ends=5)))
    assert [] == store.claim(CAPACITIES, clock())
    store.settle([(trigger, Sent({"state": "triggered"}))], clock())
    end = one(store.claim(CAPACITIES, clock()))
    assert (2, 1, False, {"state": "triggered"}) == (end.revision, end.sent, end.firing, end.handle)


def test_a_burst_coalesces_into_the_newest_state(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    for pods in range(1, 6):
        intake.accept(a_group(*(an_alert(pod=str(pod)) for pod in range(pods))))
    assert 5 == one(store.claim(CAPACITIES, clock())).revision


def test_each_recipient_is_a_delivery_and_mail_hears_only_loud_changes(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    two = [an_alert(severity="warning"), an_alert(severity="warning", pod="b")]
    intake.accept(a_group(*two))
    claims = store.claim(CAPACITIES, clock())
    assert ["a@x.org", "b@x.org"] == sorted(claim.target.recipient for claim in claims)
    store.settle([(claim, Sent({})) for claim in claims], clock())
    intake.accept(a_group(two[0], an_alert(severity="warning", pod="b", ends=5)))
    assert [] == store.claim(CAPACITIES, clock())
    intake.accept(a_group(an_alert(severity="warning", ends=6)))
    assert 2 == len(store.claim(CAPACITIES, clock()))


def test_a_critical_alert_that_joins_a_warning_group_pages(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(severity="warning")))
    store.settle([(claim, Sent({})) for claim in store.claim(CAPACITIES, clock())], clock())
    intake.accept(a_group(an_alert(severity="warning"), an_alert()))
    assert {"pager", "mail"} == {claim.target.channel for claim in store.claim(CAPACITIES, clock())}


def test_when_the_critical_alert_leaves_the_pager_is_told_it_ended(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(severity="warning"), an_alert()))
    store.settle([(claim, Sent({})) for claim in store.claim(CAPACITIES, clock())], clock())
    intake.accept(a_group(an_alert(severity="warning"), an_alert(ends=5)))
    pager = one([claim for claim in store.claim(CAPACITIES, clock()) if claim.target.channel == "pager"])
    assert not pager.firing


def test_acknowledging_reaches_the_pager(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    number = intake.accept(a_group(an_alert())).number
    store.settle([(one(store.claim(CAPACITIES, clock())), Sent({}))], clock())
    StoreActions(engine, lambda: POLICY).acknowledge(number, "ada", clock())
    assert (2, True) == (one(claims := store.claim(CAPACITIES, clock())).revision, claims[0].firing)


def test_frozen_bytes_come_back_only_after_an_unknown_try(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert()))
    claim = one(store.claim(CAPACITIES, clock()))
    store.freeze([(claim, b"bytes")])
    again = one(store.claim(CAPACITIES, clock.forward(61)))
    assert (b"bytes", True) == (again.frozen, again.unknown)


def test_many_threads_share_commits_and_every_group_arrives(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    numbers: list[int] = []

    def post(start: int) -> None:
        for each in range(start, start + 20):
            numbers.append(intake.accept(a_group(an_alert(), key=f"key-{each}")).number)

    threads = [threading.Thread(target=post, args=(start * 20,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 160 == len(set(numbers))
