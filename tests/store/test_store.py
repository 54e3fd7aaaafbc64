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


def test_an_accepted_group_can_be_claimed(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    accepted = intake.accept(a_group(an_alert()))
    claim = one(store.claim(CAPACITIES, clock()))
    assert (
        accepted.outcome,
        claim.incident_number,
        claim.target.channel,
    ) == ("opened", accepted.number, "pager")
    incident = StoreReader(engine).incident(accepted.number)
    assert incident is not None
    assert store.incidents([accepted.number])[accepted.number].alerts == incident.alerts
    assert next(iter(incident.alerts.values())).starts_at == at(0)


def test_a_claimed_delivery_is_exclusive_until_its_lease_ends(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert()))
    first = one(store.claim(CAPACITIES, clock()))
    assert store.claim(CAPACITIES, clock.forward(59)) == []
    second = one(store.claim(CAPACITIES, clock.forward(2)))
    assert (first.unknown, second.unknown) == (False, True)
    assert second.attempted_at == at(1)
    store.settle([(first, Sent({"late": True}))], clock())  # its lease was taken over: changes nothing
    store.settle([(second, Sent({"ts": "1"}))], clock())
    assert store.claim(CAPACITIES, clock.forward(100)) == []


def test_a_dead_letter_is_still_unknown_if_an_earlier_attempt_was(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    number = intake.accept(a_group(an_alert())).number
    store.claim(CAPACITIES, clock())  # and then dies
    store.settle([(one(store.claim(CAPACITIES, clock.forward(61))), GiveUp(Reason.DESTINATION, "gone"))], clock())
    StoreDeadLetters(engine).replay(DeadLetterFilter(number), clock())
    replayed = one(store.claim(CAPACITIES, clock()))
    assert (replayed.unknown, replayed.attempted_at) == (True, at(1))


def test_a_channel_without_a_route_is_not_notified_of_an_ended_incident(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert()))
    one(store.claim(CAPACITIES, clock()))  # by a worker that then dies
    intake._policy = lambda: Policy(Rules(), Route(notify=()), POLICY.channels)
    intake.accept(a_group(an_alert(ends=5)))
    assert not one(store.claim(CAPACITIES, clock.forward(61))).firing


def test_a_dead_letter_of_a_channel_without_a_route_is_not_replayed_after_the_end(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    number = intake.accept(a_group(an_alert())).number
    store.settle([(one(store.claim(CAPACITIES, clock())), GiveUp(Reason.DESTINATION, "gone"))], clock())
    intake._policy = lambda: Policy(Rules(), Route(notify=()), POLICY.channels)
    intake.accept(a_group(an_alert(ends=5)))
    StoreDeadLetters(engine).replay(DeadLetterFilter(number), clock())
    assert store.claim(CAPACITIES, clock.forward(61)) == []
    assert [each.status for each in StoreReader(engine).deliveries(number)] == ["skipped"]


def test_an_unfinished_delivery_is_due_at_once_and_not_unknown(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert()))
    store.settle([(one(store.claim(CAPACITIES, clock())), Begun({"state": "half"}))], clock())
    rest = one(store.claim(CAPACITIES, clock()))
    assert (rest.sent, rest.handle, rest.unknown, rest.attempts) == (0, {"state": "half"}, False, 0)
    store.settle([(rest, Sent({"state": "whole"}))], clock())
    assert store.claim(CAPACITIES, clock.forward(100)) == []


def test_an_unknown_first_attempt_gets_the_handle_of_another_delivery(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    for key, said in (("1", {"place": "old"}), ("2", {"place": "new"})):
        intake.accept(a_group(an_alert(), key=key))
        store.settle([(one(store.claim(CAPACITIES, clock())), Sent(said))], clock.forward(1))
    intake.accept(a_group(an_alert(), key="3"))
    assert one(store.claim(CAPACITIES, clock())).other_handle == {}
    assert one(store.claim(CAPACITIES, clock.forward(61))).other_handle == {"place": "new"}


def test_a_resolve_cannot_overtake_its_trigger(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    intake.accept(a_group(an_alert()))
    trigger = one(store.claim(CAPACITIES, clock()))
    intake.accept(a_group(an_alert(ends=5)))
    assert store.claim(CAPACITIES, clock()) == []
    store.settle([(trigger, Sent({"state": "triggered"}))], clock())
    end = one(store.claim(CAPACITIES, clock()))
    assert (end.revision, end.sent, end.firing, end.handle) == (2, 1, False, {"state": "triggered"})


def test_a_burst_coalesces_into_the_newest_state(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    for pods in range(1, 6):
        intake.accept(a_group(*(an_alert(pod=str(pod)) for pod in range(pods))))
    assert one(store.claim(CAPACITIES, clock())).revision == 5


def test_each_recipient_is_a_delivery_and_mail_is_only_notified_of_loud_changes(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    two = [an_alert(severity="warning"), an_alert(severity="warning", pod="b")]
    intake.accept(a_group(*two))
    claims = store.claim(CAPACITIES, clock())
    assert sorted(claim.target.recipient for claim in claims) == ["a@x.org", "b@x.org"]
    store.settle([(claim, Sent({})) for claim in claims], clock())
    intake.accept(a_group(two[0], an_alert(severity="warning", pod="b", ends=5)))
    assert store.claim(CAPACITIES, clock()) == []
    intake.accept(a_group(an_alert(severity="warning", ends=6)))
    assert len(store.claim(CAPACITIES, clock())) == 2


def test_a_critical_alert_that_joins_a_warning_group_pages(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(severity="warning")))
    store.settle([(claim, Sent({})) for claim in store.claim(CAPACITIES, clock())], clock())
    intake.accept(a_group(an_alert(severity="warning"), an_alert()))
    assert {claim.target.channel for claim in store.claim(CAPACITIES, clock())} == {"pager", "mail"}


def test_the_pager_is_notified_of_the_end_of_the_critical_alert(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(severity="warning"), an_alert()))
    store.settle([(claim, Sent({})) for claim in store.claim(CAPACITIES, clock())], clock())
    intake.accept(a_group(an_alert(severity="warning"), an_alert(ends=5)))
    pager = one([claim for claim in store.claim(CAPACITIES, clock()) if claim.target.channel == "pager"])
    assert not pager.firing


def test_an_acknowledgement_is_delivered_to_the_pager(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    number = intake.accept(a_group(an_alert())).number
    store.settle([(one(store.claim(CAPACITIES, clock())), Sent({}))], clock())
    StoreActions(engine, lambda: POLICY).acknowledge(number, "ada", clock())
    assert (one(claims := store.claim(CAPACITIES, clock())).revision, claims[0].firing) == (2, True)


def test_frozen_bytes_are_returned_only_after_an_unknown_attempt(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert()))
    claim = one(store.claim(CAPACITIES, clock()))
    store.freeze([(claim, b"bytes")])
    again = one(store.claim(CAPACITIES, clock.forward(61)))
    assert (again.frozen, again.unknown) == (b"bytes", True)


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
    assert len(set(numbers)) == 160
