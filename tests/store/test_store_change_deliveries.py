"""Deliveries of change events to channels, on SQLite and PostgreSQL."""

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


def record(engine: sa.Engine, *ids: str, channels: tuple[str, ...] = CHANNELS) -> None:
    for seconds, each in enumerate(ids):
        changes = StoreChanges(engine, partial(at, seconds), lambda: channels)
        changes.record(ChangeEvent("deploy", "api", at(seconds), "v2", id=each))


def claimed(store: StoreChangeDeliveries, now: float, channel: str = "pager") -> ChangeClaim:
    claim = store.claim(channel, 60, at(now))
    assert claim is not None
    return claim


def test_every_channel_is_notified_once_and_of_the_oldest_change_first(
    engine: sa.Engine, store: StoreChangeDeliveries
) -> None:
    record(engine, "a", "b", "a")
    assert store.waiting(["pager", "second", "slack"], at(5)) == list(CHANNELS)
    for channel in CHANNELS:
        for expected in ("a", "b"):
            claim = claimed(store, 5, channel)
            assert claim.change.id == expected
            store.settle(claim, Sent({}), at(6))
    assert store.waiting(CHANNELS, at(1000)) == []
    assert store.claim("pager", 60, at(1000)) is None


def test_without_channels_there_is_no_delivery(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    record(engine, "a", channels=())
    assert store.waiting(CHANNELS, at(5)) == []


def test_a_change_reported_by_an_alert_is_delivered_as_well(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    policy = Policy(Rules(), Route(notify=("slack",)), {"slack": ChannelSpec("slack")}, change_channels=("pager",))
    intake = StoreIntake(engine, lambda: policy, lambda: at(1))
    for _ in range(2):
        intake.accept(a_group(an_alert("MLModelDeployed", job="api", version="v2")))
    intake.close()
    claim = claimed(store, 5)
    assert claim.change.summary == "api v2 was deployed"
    store.settle(claim, Sent({}), at(6))
    assert store.waiting(["pager"], at(1000)) == []


def test_a_claimed_change_is_exclusive_until_its_lease_ends(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    record(engine, "a")
    first = claimed(store, 5)
    assert store.claim("pager", 60, at(64)) is None
    second = claimed(store, 66)
    assert (first.attempts, second.attempts) == (0, 1)
    store.settle(first, GiveUp(Reason.BUG, "too late"), at(67))  # its lease was taken over: changes nothing
    store.settle(second, RetryAt(at(70), Reason.SERVER, "503"), at(67))
    assert claimed(store, 70).attempts == 2


def test_a_permanent_failure_is_not_retried(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    record(engine, "a")
    store.settle(claimed(store, 5), GiveUp(Reason.PAYLOAD, "refused"), at(6))
    assert store.waiting(CHANNELS, at(1000)) == ["second"]


def test_a_failing_channel_delays_its_own_changes_only(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    record(engine, "a", "b")
    retry = RetryAt(at(30), Reason.NETWORK, "unreachable", pause_until=at(30))
    store.settle(claimed(store, 5), retry, at(6))
    assert store.waiting(CHANNELS, at(29)) == ["second"]
    assert store.waiting(CHANNELS, at(30)) == list(CHANNELS)


def test_a_due_page_precedes_a_change(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    record(engine, "a")
    policy = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})
    intake = StoreIntake(engine, lambda: policy, lambda: at(1))
    intake.accept(a_group(an_alert()))
    intake.close()
    assert store.waiting(CHANNELS, at(5)) == ["second"]
    pages = StoreDeliveries(engine)
    (page,) = pages.claim([ChannelCapacity("pager", 1, None, 1, 60.0)], at(5))
    assert store.waiting(CHANNELS, at(5)) == ["second"]
    pages.settle([(page, Sent({}))], at(6))
    assert store.waiting(CHANNELS, at(7)) == list(CHANNELS)


def test_many_workers_claim_different_changes(engine: sa.Engine) -> None:
    ids = [f"{number:02}" for number in range(12)]
    record(engine, *ids)
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
    assert sorted(found) == ids


def test_a_deleted_change_is_not_delivered(engine: sa.Engine, store: StoreChangeDeliveries) -> None:
    record(engine, "a", "b")
    StoreDeliveries(engine).forget(at(0.5))
    claim = claimed(store, 5)
    assert claim.change.id == "b"
    store.settle(replace(claim, change=replace(claim.change, id="a")), Sent({}), at(6))
    store.settle(claim, Sent({}), at(6))
    assert store.claim("pager", 60, at(1000)) is None
