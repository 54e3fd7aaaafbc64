"""Who is to be told of which change, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

import pytest
import sqlalchemy as sa

from bridge.core.errors import Reason
from bridge.core.facts import ChangeEvent
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChangeClaim, ChannelCapacity, GiveUp, RetryAt, Sent
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreChangeDeliveries, StoreChanges, StoreDeliveries, StoreIntake
from tests.builders import a_group, an_alert, at

CHANNELS = ("pager", "second")


@pytest.fixture
def store(engine: sa.Engine) -> StoreChangeDeliveries:
    return StoreChangeDeliveries(engine)


def tell(engine: sa.Engine, *ids: str, channels: tuple[str, ...] = CHANNELS) -> None:
    for seconds, each in enumerate(ids):
        kept = StoreChanges(engine, partial(at, seconds), lambda: channels)
        kept.record(ChangeEvent("deploy", "api", at(seconds), "v2", id=each))


def claimed(store: StoreChangeDeliveries, now: float, channel: str = "pager") -> ChangeClaim:
    claim = store.claim(channel, 60, at(now))
    assert claim is not None
    return claim


def test_every_channel_is_told_once_and_the_oldest_change_first(
    engine: sa.Engine, store: StoreChangeDeliveries
) -> None:
    tell(engine, "a", "b", "a")
    assert list(CHANNELS) == store.waiting(["pager", "second", "slack"], at(5))
    for channel in CHANNELS:
        for expected in ("a", "b"):
            claim = claimed(store, 5, channel)
            assert expected == claim.change.id
            store.settle(claim, Sent({}), at(6))
    assert [] == store.waiting(CHANNELS, at(1000))
    assert store.claim("pager", 60, at(1000)) is None


def test_without_channels_nobody_is_told(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    tell(engine, "a", channels=())
    assert [] == store.waiting(CHANNELS, at(5))


def test_an_alerts_change_is_told_as_well(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    policy = Policy(Rules(), Route(notify=("slack",)), {"slack": ChannelSpec("slack")}, change_channels=("pager",))
    intake = StoreIntake(engine, lambda: policy, lambda: at(1))
    for _ in range(2):
        intake.accept(a_group(an_alert("MLModelDeployed", job="api", version="v2")))
    intake.close()
    claim = claimed(store, 5)
    assert "api v2 was deployed" == claim.change.summary
    store.settle(claim, Sent({}), at(6))
    assert [] == store.waiting(["pager"], at(1000))


def test_a_claimed_change_is_nobody_elses_until_its_lease_ends(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    tell(engine, "a")
    first = claimed(store, 5)
    assert store.claim("pager", 60, at(64)) is None
    second = claimed(store, 66)
    assert (0, 1) == (first.attempts, second.attempts)
    store.settle(first, GiveUp(Reason.BUG, "too late"), at(67))  # its lease was taken over: changes nothing
    store.settle(second, RetryAt(at(70), Reason.SERVER, "503"), at(67))
    assert 2 == claimed(store, 70).attempts


def test_what_can_never_be_told_is_not_tried_again(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    tell(engine, "a")
    store.settle(claimed(store, 5), GiveUp(Reason.PAYLOAD, "refused"), at(6))
    assert ["second"] == store.waiting(CHANNELS, at(1000))


def test_while_a_channel_fails_its_other_changes_wait_and_other_channels_do_not(
    engine: sa.Engine, store: StoreChangeDeliveries
) -> None:
    tell(engine, "a", "b")
    retry = RetryAt(at(30), Reason.NETWORK, "nobody there", pause_until=at(30))
    store.settle(claimed(store, 5), retry, at(6))
    assert ["second"] == store.waiting(CHANNELS, at(29))
    assert list(CHANNELS) == store.waiting(CHANNELS, at(30))


def test_a_page_that_is_due_goes_first(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    tell(engine, "a")
    policy = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})
    intake = StoreIntake(engine, lambda: policy, lambda: at(1))
    intake.accept(a_group(an_alert()))
    intake.close()
    assert ["second"] == store.waiting(CHANNELS, at(5))
    pages = StoreDeliveries(engine)
    (page,) = pages.claim([ChannelCapacity("pager", 1, None, 1, 60.0)], at(5))
    assert ["second"] == store.waiting(CHANNELS, at(5))
    pages.settle([(page, Sent({}))], at(6))
    assert list(CHANNELS) == store.waiting(CHANNELS, at(7))


def test_of_many_workers_each_gets_another_change(engine: sa.Engine) -> None:
    ids = [f"{number:02}" for number in range(12)]
    tell(engine, *ids)
    found: list[str] = []
    together = threading.Barrier(4)

    def work() -> None:
        store = StoreChangeDeliveries(engine)
        together.wait()
        for _ in range(40):
            claim = store.claim("pager", 60, at(100))
            if claim is not None:
                found.append(claim.change.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids == sorted(found)


def test_with_a_change_that_is_forgotten_goes_what_was_to_be_told(
    engine: sa.Engine, store: StoreChangeDeliveries
) -> None:
    tell(engine, "a", "b")
    StoreDeliveries(engine).forget(at(0.5))
    claim = claimed(store, 5)
    assert "b" == claim.change.id
    store.settle(replace(claim, change=replace(claim.change, id="a")), Sent({}), at(6))
    store.settle(claim, Sent({}), at(6))
    assert store.claim("pager", 60, at(1000)) is None
