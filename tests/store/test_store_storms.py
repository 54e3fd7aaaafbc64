"""Storms on both databases: what collapses, what is told one by one, and how it ends."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bridge.core.errors import Reason
from bridge.core.model import Severity, State
from bridge.core.ports import RetryAt
from bridge.store import Policy, StoreActions, StoreDeliveries, StoreStorms, claiming
from tests.builders import an_alert, at
from tests.store.storm_world import CAPACITY, LIMITS, POLICY, World

MAIL = replace(CAPACITY, channel="mail")


@pytest.fixture
def world(engine: sa.Engine) -> World:
    return World(engine)


def test_a_burst_is_one_digest_before_anybody_looks(world: World) -> None:
    world.fire(50)
    assert ["Storm on slack"] == world.send_all(5)
    assert "50 incidents are suppressed on slack: 50 warning" == world.headline()
    assert ("held", "suppressed by the storm on slack, reported in #51") == world.standing(1)


def test_what_the_channel_can_carry_is_told_one_by_one(world: World) -> None:
    world.fire(LIMITS.begins_at - 1)
    assert 5 == len(world.send_all(10))
    assert [] == world.watch()


def test_criticals_are_told_one_by_one_before_the_digest_of_what_is_less_severe(world: World) -> None:
    world.fire(50)
    world.fire(4, "critical", "Down")
    assert [*("Down" for _ in range(4)), "Storm on slack"] == world.send_all(8)
    assert "50 incidents are suppressed on slack: 50 warning" == world.headline()
    world.fire(5, "critical", "Down")
    assert ["Down"] == world.send_all(3)


def test_criticals_that_are_too_many_by_themselves_collapse_too_and_lead_the_digest(world: World) -> None:
    world.fire(50)
    world.fire(9, "critical", "Down")
    assert ["Storm on slack"] == world.send_all(3)
    assert "59 incidents are suppressed on slack: 9 critical, 50 warning" == world.headline()
    (alert,) = world.digest().alerts.values()
    assert alert.annotations["description"].startswith("9 × Down, critical, since 12:00 UTC")
    assert Severity.CRITICAL is world.digest().severity


def test_more_criticals_than_can_be_told_join_a_storm_of_warnings(world: World) -> None:
    world.fire(50)
    assert ["Storm on slack"] == world.send_all(2)
    world.fire(9, "critical", "Down")
    assert [] == world.watch()
    assert ["Storm on slack"] == world.send_all(3)
    assert "59 incidents are suppressed on slack: 9 critical, 50 warning" == world.headline()
    assert ["open", "slack storms: 50 messages waited, which take 50 s at its rate (maximum delay 5 s)"] == [
        world.digest().state,
        world.texts(51)[0],
    ]


def test_criticals_that_join_do_not_trickle_until_somebody_looks(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.fire(9, "critical", "Down")
    assert [] == world.send_all(4)
    assert ("held", "suppressed by the storm on slack, reported in #51") == world.standing(52)
    world.watch()
    assert ["Storm on slack"] == world.send_all(2)
    assert "59 incidents are suppressed on slack: 9 critical, 50 warning" == world.headline()


def test_what_the_channel_shows_already_keeps_its_place(world: World) -> None:
    world.fire(1, name="Told")
    assert ["Told"] == world.send()
    world.fire(50)
    assert ["Storm on slack"] == world.send_all(2)
    world.end(1, name="Told")
    assert ["Told"] == world.send_all(2)


def test_of_one_severity_the_digest_goes_first(world: World) -> None:
    world.fire(1, name="Told")
    world.send()
    world.receive(an_alert("Told0", "warning", group="Told"), an_alert("Told0", "warning", group="Told", pod="b"))
    world.pass_by(0.5)
    world.fire(50)
    assert ["Storm on slack", "Told"] == world.send_all(3)


def test_what_ends_while_it_is_held_leaves_the_digest_and_is_not_told_at_all(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.end(10)
    assert ("skipped", "ended before it was delivered") == world.standing(1)
    assert "ended while it was suppressed: reported in the digest #51 at most" in world.texts(1)
    world.pass_by(5)
    world.watch()
    assert ["Storm on slack"] == world.send_all(3)
    assert "40 incidents are suppressed on slack: 40 warning" == world.headline()


def test_what_becomes_critical_while_it_is_held_is_told_by_itself(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.receive(an_alert("Slow7", "warning", group="Slow"), an_alert("Slow7", "critical", group="Slow", pod="new"))
    assert ["Slow"] == world.send_all(2)
    assert "delivered" == world.standing(8)[0]


def test_when_it_is_over_what_still_fires_is_told_one_by_one(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.end(46)
    world.watch()
    world.pass_by(59)
    assert [] == world.watch()
    world.pass_by(1)
    assert ["the storm on slack is over, reported in #51"] == world.watch()
    assert ["Storm on slack", *("Slow" for _ in range(4))] == sorted(world.send_all(10), reverse=True)
    digest = world.digest()
    told = "the storm on slack is over: what still fires is notified one by one (4), 46 ended unnotified"
    assert (State.RESOLVED, told) == (digest.state, world.headline())
    assert ["skipped"] * 46 + ["delivered"] * 4 == [world.standing(number)[0] for number in range(1, 51)]


def test_a_gust_in_the_calm_goes_on_with_the_same_digest(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.end(46)
    world.watch()
    world.pass_by(50)
    world.fire(20, name="Gust")
    world.watch()
    world.pass_by(30)
    assert [] == world.watch()
    assert State.OPEN is world.incident(51).state
    assert "24 incidents are suppressed on slack: 24 warning" == world.headline()


def test_one_that_was_over_before_its_digest_was_told_tells_nothing_of_itself(world: World) -> None:
    world.fire(50)
    assert ["slack storms, reported in #51"] == world.watch()
    world.policy = replace(POLICY, storms={})
    assert ["the storm on slack is over, reported in #51"] == world.watch()
    assert ["Slow"] * 5 == world.send_all(5, replace(CAPACITY, storm_at=None))
    assert ("skipped", State.RESOLVED) == (world.standing(51)[0], world.digest().state)


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(replace(POLICY, storms={}), id="storms are switched off, or the pace is unlimited"),
        pytest.param(replace(POLICY, storms={}, channels={"mail": POLICY.channels["mail"]}), id="the channel is gone"),
        pytest.param(replace(POLICY, storms={"slack": replace(LIMITS, at_least=500)}), id="with more patience"),
    ],
)
def test_a_reload_that_allows_more_ends_the_storm(world: World, policy: Policy) -> None:
    world.fire(50)
    world.send_all(2)
    world.policy = policy
    world.watch()
    world.pass_by(60)
    world.watch()
    assert State.RESOLVED is world.digest().state
    assert [] == world.watch()
    assert ["Slow"] * 3 == world.send_all(3, replace(CAPACITY, storm_at=None))
    assert ("pending", "waits to be sent") == world.standing(50)


def test_a_channel_without_a_limit_never_storms(engine: sa.Engine) -> None:
    world = World(engine, replace(POLICY, storms={}))
    world.fire(50)
    assert 50 == len(world.send(replace(CAPACITY, limit=100, per_second=None, storm_at=None)))
    assert [] == world.watch()


def test_mail_goes_to_everybody_and_again_only_when_it_is_loud(engine: sa.Engine) -> None:
    tree = replace(POLICY.tree, notify=("mail",), fallback=())
    world = World(engine, replace(POLICY, tree=tree, storms={"mail": LIMITS}))
    world.fire(30)
    assert ["Storm on mail"] * 2 == world.send_all(4, MAIL)
    assert ["a@x.org", "b@x.org"] == [each.recipient for each in world.reader.deliveries(31)]
    world.fire(30, name="More")
    world.pass_by(10)
    world.watch()
    assert "60 incidents are suppressed on mail: 60 warning" == world.headline()
    assert [] == world.send_all(4, MAIL)
    world.fire(300, name="Many")
    world.pass_by(30)
    world.watch()
    assert ["Storm on mail"] * 2 == world.send_all(4, MAIL)


def test_people_act_on_what_is_held_as_ever(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    people = StoreActions(world.engine, lambda: POLICY)
    people.acknowledge(1, "ada", world.now)
    assert State.ACKNOWLEDGED is world.incident(1).state
    people.resolve(2, "ada", world.now)
    assert ("skipped", "ended before it was delivered") == world.standing(2)
    world.pass_by(5)
    world.watch()
    assert "49 incidents are suppressed on slack: 49 warning" == world.headline()


def test_of_many_workers_one_begins_it(world: World) -> None:
    world.fire(50)
    begun: list[str] = []
    together = threading.Barrier(6)

    def look() -> None:
        together.wait()
        begun.extend(StoreStorms(world.engine, lambda: POLICY).watch(world.now))

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["slack storms, reported in #51"] == begun
    assert 51 == len(world.reader.list_incidents())


def test_a_fault_of_the_digest_holds_no_message_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(claiming, "begin", broken)
    world.fire(50)
    assert ["Slow", "Slow"] == world.send_all(2)


def test_nothing_is_due_while_all_that_waits_is_held(world: World) -> None:
    world.fire(50)
    assert at(1) == StoreDeliveries(world.engine).next_due(world.now, ["slack"])
    world.send_all(1)
    assert StoreDeliveries(world.engine).next_due(world.now, ["slack"]) is None


def test_a_try_that_may_have_arrived_is_followed_up_by_itself(world: World) -> None:
    world.fire(1, name="Unknown")
    (claim,) = world.claim()
    again = RetryAt(at(2), Reason.NETWORK, "reset", ambiguous=True)
    StoreDeliveries(world.engine).settle([(claim, again)], world.now)
    world.fire(50)
    world.pass_by(2)
    assert ["Storm on slack", "Unknown"] == sorted(world.send_all(4))


def test_a_clock_that_goes_back_does_not_stop_the_digest(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.pass_by(-86_400)
    StoreDeliveries(world.engine).mend_times(world.now, timedelta(minutes=20))
    world.fire(10, name="More")
    world.pass_by(5)
    world.watch()
    assert "60 incidents are suppressed on slack: 60 warning" == world.headline()
