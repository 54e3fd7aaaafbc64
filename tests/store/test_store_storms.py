"""Storms on both databases: what collapses, what is notified one by one, and how it ends."""

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


def test_a_burst_is_one_digest_before_the_periodic_check(world: World) -> None:
    world.fire(50)
    assert world.send_all(5) == ["Storm on slack"]
    assert world.headline() == "50 incidents are suppressed on slack: 50 warning"
    assert world.status_of(1) == ("held", "suppressed by the storm on slack, reported in #51")


def test_incidents_within_the_rate_are_notified_one_by_one(world: World) -> None:
    world.fire(LIMITS.begins_at - 1)
    assert len(world.send_all(10)) == 5
    assert world.watch() == []


def test_criticals_are_notified_one_by_one_before_the_digest_of_less_severe_incidents(world: World) -> None:
    world.fire(50)
    world.fire(4, "critical", "Down")
    assert world.send_all(8) == [*("Down" for _ in range(4)), "Storm on slack"]
    assert world.headline() == "50 incidents are suppressed on slack: 50 warning"
    world.fire(5, "critical", "Down")
    assert world.send_all(3) == ["Down"]


def test_too_many_criticals_collapse_too_and_lead_the_digest(world: World) -> None:
    world.fire(50)
    world.fire(9, "critical", "Down")
    assert world.send_all(3) == ["Storm on slack"]
    assert world.headline() == "59 incidents are suppressed on slack: 9 critical, 50 warning"
    (alert,) = world.digest().alerts.values()
    assert alert.annotations["description"].startswith("9 × Down, critical, since 12:00 UTC")
    assert world.digest().severity is Severity.CRITICAL


def test_criticals_beyond_the_rate_join_a_storm_of_warnings(world: World) -> None:
    world.fire(50)
    assert world.send_all(2) == ["Storm on slack"]
    world.fire(9, "critical", "Down")
    assert world.watch() == []
    assert world.send_all(3) == ["Storm on slack"]
    assert world.headline() == "59 incidents are suppressed on slack: 9 critical, 50 warning"
    assert [
        world.digest().state,
        world.texts(51)[0],
    ] == ["open", "slack storms: 50 messages waited, which take 50 s at its rate (maximum delay 5 s)"]


def test_criticals_that_join_are_suppressed_before_the_periodic_check(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.fire(9, "critical", "Down")
    assert world.send_all(4) == []
    assert world.status_of(52) == ("held", "suppressed by the storm on slack, reported in #51")
    world.watch()
    assert world.send_all(2) == ["Storm on slack"]
    assert world.headline() == "59 incidents are suppressed on slack: 9 critical, 50 warning"


def test_an_incident_that_the_channel_shows_already_is_not_suppressed(world: World) -> None:
    world.fire(1, name="Notified")
    assert world.send() == ["Notified"]
    world.fire(50)
    assert world.send_all(2) == ["Storm on slack"]
    world.end(1, name="Notified")
    assert world.send_all(2) == ["Notified"]


def test_the_digest_precedes_incidents_of_the_same_severity(world: World) -> None:
    world.fire(1, name="Notified")
    world.send()
    world.receive(
        an_alert("Notified0", "warning", group="Notified"), an_alert("Notified0", "warning", group="Notified", pod="b")
    )
    world.pass_time(0.5)
    world.fire(50)
    assert world.send_all(3) == ["Storm on slack", "Notified"]


def test_an_incident_that_ends_while_suppressed_leaves_the_digest_and_is_not_notified(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.end(10)
    assert world.status_of(1) == ("skipped", "ended before it was delivered")
    assert "ended while it was suppressed: reported in the digest #51 at most" in world.texts(1)
    world.pass_time(5)
    world.watch()
    assert world.send_all(3) == ["Storm on slack"]
    assert world.headline() == "40 incidents are suppressed on slack: 40 warning"


def test_a_suppressed_incident_that_becomes_critical_is_notified_by_itself(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.receive(an_alert("Slow7", "warning", group="Slow"), an_alert("Slow7", "critical", group="Slow", pod="new"))
    assert world.send_all(2) == ["Slow"]
    assert world.status_of(8)[0] == "delivered"


def test_after_a_storm_firing_incidents_are_notified_one_by_one(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.end(46)
    world.watch()
    world.pass_time(59)
    assert world.watch() == []
    world.pass_time(1)
    assert world.watch() == ["the storm on slack is over, reported in #51"]
    assert sorted(world.send_all(10), reverse=True) == ["Storm on slack", *("Slow" for _ in range(4))]
    digest = world.digest()
    headline = "the storm on slack is over: what still fires is notified one by one (4), 46 ended unnotified"
    assert (digest.state, world.headline()) == (State.RESOLVED, headline)
    assert [world.status_of(number)[0] for number in range(1, 51)] == ["skipped"] * 46 + ["delivered"] * 4


def test_a_burst_in_the_quiet_period_continues_the_same_digest(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.end(46)
    world.watch()
    world.pass_time(50)
    world.fire(20, name="Gust")
    world.watch()
    world.pass_time(30)
    assert world.watch() == []
    assert world.incident(51).state is State.OPEN
    assert world.headline() == "24 incidents are suppressed on slack: 24 warning"


def test_a_storm_that_ends_before_its_digest_was_delivered_is_not_notified(world: World) -> None:
    world.fire(50)
    assert world.watch() == ["slack storms, reported in #51"]
    world.policy = replace(POLICY, storms={})
    assert world.watch() == ["the storm on slack is over, reported in #51"]
    assert world.send_all(5, replace(CAPACITY, storm_at=None)) == ["Slow"] * 5
    assert (world.status_of(51)[0], world.digest().state) == ("skipped", State.RESOLVED)


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(replace(POLICY, storms={}), id="storms are switched off, or the pace is unlimited"),
        pytest.param(replace(POLICY, storms={}, channels={"mail": POLICY.channels["mail"]}), id="the channel is gone"),
        pytest.param(
            replace(POLICY, storms={"slack": replace(LIMITS, at_least=500)}), id="with a longer maximum delay"
        ),
    ],
)
def test_a_reload_that_allows_more_ends_the_storm(world: World, policy: Policy) -> None:
    world.fire(50)
    world.send_all(2)
    world.policy = policy
    world.watch()
    world.pass_time(60)
    world.watch()
    assert world.digest().state is State.RESOLVED
    assert world.watch() == []
    assert world.send_all(3, replace(CAPACITY, storm_at=None)) == ["Slow"] * 3
    assert world.status_of(50) == ("pending", "waits to be sent")


def test_a_channel_without_a_limit_never_storms(engine: sa.Engine) -> None:
    world = World(engine, replace(POLICY, storms={}))
    world.fire(50)
    assert len(world.send(replace(CAPACITY, limit=100, per_second=None, storm_at=None))) == 50
    assert world.watch() == []


def test_a_digest_by_mail_goes_to_every_recipient_and_again_only_when_it_is_loud(engine: sa.Engine) -> None:
    tree = replace(POLICY.tree, notify=("mail",), fallback=())
    world = World(engine, replace(POLICY, tree=tree, storms={"mail": LIMITS}))
    world.fire(30)
    assert world.send_all(4, MAIL) == ["Storm on mail"] * 2
    assert [each.recipient for each in world.reader.deliveries(31)] == ["a@x.org", "b@x.org"]
    world.fire(30, name="More")
    world.pass_time(10)
    world.watch()
    assert world.headline() == "60 incidents are suppressed on mail: 60 warning"
    assert world.send_all(4, MAIL) == []
    world.fire(300, name="Many")
    world.pass_time(30)
    world.watch()
    assert world.send_all(4, MAIL) == ["Storm on mail"] * 2


def test_users_can_act_on_suppressed_incidents(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    actions = StoreActions(world.engine, lambda: POLICY)
    actions.acknowledge(1, "ada", world.now)
    assert world.incident(1).state is State.ACKNOWLEDGED
    actions.resolve(2, "ada", world.now)
    assert world.status_of(2) == ("skipped", "ended before it was delivered")
    world.pass_time(5)
    world.watch()
    assert world.headline() == "49 incidents are suppressed on slack: 49 warning"


def test_only_one_of_many_workers_begins_a_storm(world: World) -> None:
    world.fire(50)
    begun: list[str] = []
    together = threading.Barrier(6)

    def watch() -> None:
        together.wait()
        begun.extend(StoreStorms(world.engine, lambda: POLICY).watch(world.now))

    threads = [threading.Thread(target=watch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun == ["slack storms, reported in #51"]
    assert len(world.reader.list_incidents()) == 51


def test_a_fault_of_the_digest_delays_no_message(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(claiming, "begin", broken)
    world.fire(50)
    assert world.send_all(2) == ["Slow", "Slow"]


def test_nothing_is_due_while_all_incidents_are_suppressed(world: World) -> None:
    world.fire(50)
    assert StoreDeliveries(world.engine).next_due(world.now, ["slack"]) == at(1)
    world.send_all(1)
    assert StoreDeliveries(world.engine).next_due(world.now, ["slack"]) is None


def test_an_attempt_that_may_have_arrived_is_followed_up_by_itself(world: World) -> None:
    world.fire(1, name="Unknown")
    (claim,) = world.claim()
    again = RetryAt(at(2), Reason.NETWORK, "reset", ambiguous=True)
    StoreDeliveries(world.engine).settle([(claim, again)], world.now)
    world.fire(50)
    world.pass_time(2)
    assert sorted(world.send_all(4)) == ["Storm on slack", "Unknown"]


def test_a_clock_set_back_does_not_stop_the_digest(world: World) -> None:
    world.fire(50)
    world.send_all(2)
    world.pass_time(-86_400)
    StoreDeliveries(world.engine).mend_times(world.now, timedelta(minutes=20))
    world.fire(10, name="More")
    world.pass_time(5)
    world.watch()
    assert world.headline() == "60 incidents are suppressed on slack: 60 warning"
