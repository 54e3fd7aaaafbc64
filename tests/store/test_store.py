"""Groups in, claims out, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from bridge.core.dead_letters import Which
from bridge.core.errors import Reason, StoreUnavailable
from bridge.core.incidents import Rules
from bridge.core.matchers import parse_matcher
from bridge.core.model import ChannelSpec
from bridge.core.ports import Begun, Claim, GiveUp, Lane, RetryAt, Sent
from bridge.core.routing import Route
from bridge.store import (
    Policy,
    StoreDeadLetters,
    StoreDeliveries,
    StoreIntake,
    StorePeople,
    StoreReader,
    database,
    open_database,
)
from bridge.store.database import transaction
from tests.builders import a_group, an_alert, at

ROUTES = Route(
    notify=("slack",),
    routes=(
        Route(matchers=(parse_matcher('severity="critical"'),), notify=("pager",)),
        Route(matchers=(parse_matcher('severity="warning"'),), notify=("mail",)),
    ),
)
POLICY = Policy(
    Rules(),
    ROUTES,
    {
        "pager": ChannelSpec("pager"),
        "slack": ChannelSpec("slack"),
        "mail": ChannelSpec("mail", recipients=("a@x.org", "b@x.org"), edits=False),
    },
)
CHANNELS = ("pager", "slack", "mail")
LANES = [Lane(name, 10, None, 10, 60.0) for name in CHANNELS]


class Clock:
    def __init__(self) -> None:
        self.now = at(1)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def intake(engine: sa.Engine, clock: Clock) -> Iterator[StoreIntake]:
    intake = StoreIntake(engine, lambda: POLICY, clock)
    yield intake
    intake.close()


@pytest.fixture
def store(engine: sa.Engine) -> StoreDeliveries:
    return StoreDeliveries(engine)


def one(claims: list[Claim]) -> Claim:
    assert 1 == len(claims)
    return claims[0]


def test_an_accepted_group_is_there_to_be_delivered(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    accepted = intake.accept(a_group(an_alert()))
    claim = one(store.claim(LANES, clock()))
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
    first = one(store.claim(LANES, clock()))
    assert [] == store.claim(LANES, clock.forward(59))
    second = one(store.claim(LANES, clock.forward(2)))
    assert (False, True) == (first.unknown, second.unknown)
    assert at(1) == second.attempted_at
    store.settle([(first, Sent({"late": True}))], clock())  # its lease was taken over: changes nothing
    store.settle([(second, Sent({"ts": "1"}))], clock())
    assert [] == store.claim(LANES, clock.forward(100))


def test_a_dead_letter_is_still_unknown_if_an_earlier_try_was(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    number = intake.accept(a_group(an_alert())).number
    store.claim(LANES, clock())  # and dies
    store.settle([(one(store.claim(LANES, clock.forward(61))), GiveUp(Reason.DESTINATION, "gone"))], clock())
    StoreDeadLetters(engine).replay(Which(number), clock())
    replayed = one(store.claim(LANES, clock()))
    assert (True, at(1)) == (replayed.unknown, replayed.attempted_at)


@pytest.mark.parametrize("fate", ["killed", "refused"])
def test_a_channel_that_the_routes_name_no_more_never_tells_of_what_is_over(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock, fate: str
) -> None:
    number = intake.accept(a_group(an_alert())).number
    claim = one(store.claim(LANES, clock()))
    if fate == "refused":
        store.settle([(claim, GiveUp(Reason.DESTINATION, "gone"))], clock())
    intake._policy = lambda: Policy(Rules(), Route(notify=()), POLICY.channels)
    intake.accept(a_group(an_alert(ends=5)))
    StoreDeadLetters(engine).replay(Which(number), clock())
    assert not one(store.claim(LANES, clock.forward(61))).firing


def test_what_is_begun_is_due_at_once_and_is_known(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    intake.accept(a_group(an_alert()))
    store.settle([(one(store.claim(LANES, clock())), Begun({"state": "half"}))], clock())
    rest = one(store.claim(LANES, clock()))
    assert (0, {"state": "half"}, False, 0) == (rest.sent, rest.handle, rest.unknown, rest.attempts)
    store.settle([(rest, Sent({"state": "whole"}))], clock())
    assert [] == store.claim(LANES, clock.forward(100))


def test_an_unknown_first_try_knows_what_its_channel_said_of_others(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    for key, said in (("1", {"place": "old"}), ("2", {"place": "new"})):
        intake.accept(a_group(an_alert(), key=key))
        store.settle([(one(store.claim(LANES, clock())), Sent(said))], clock.forward(1))
    intake.accept(a_group(an_alert(), key="3"))
    assert {} == one(store.claim(LANES, clock())).neighbour
    assert {"place": "new"} == one(store.claim(LANES, clock.forward(61))).neighbour


def test_a_resolve_cannot_overtake_its_trigger(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    intake.accept(a_group(an_alert()))
    trigger = one(store.claim(LANES, clock()))
    intake.accept(a_group(an_alert(ends=5)))
    assert [] == store.claim(LANES, clock())
    store.settle([(trigger, Sent({"state": "triggered"}))], clock())
    end = one(store.claim(LANES, clock()))
    assert (2, 1, False, {"state": "triggered"}) == (end.revision, end.sent, end.firing, end.handle)


def test_a_burst_coalesces_into_the_newest_state(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    for pods in range(1, 6):
        intake.accept(a_group(*(an_alert(pod=str(pod)) for pod in range(pods))))
    assert 5 == one(store.claim(LANES, clock())).revision


def test_each_recipient_is_a_delivery_and_mail_hears_only_loud_changes(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    two = [an_alert(severity="warning"), an_alert(severity="warning", pod="b")]
    intake.accept(a_group(*two))
    claims = store.claim(LANES, clock())
    assert ["a@x.org", "b@x.org"] == sorted(claim.target.recipient for claim in claims)
    store.settle([(claim, Sent({})) for claim in claims], clock())
    intake.accept(a_group(two[0], an_alert(severity="warning", pod="b", ends=5)))
    assert [] == store.claim(LANES, clock())
    intake.accept(a_group(an_alert(severity="warning", ends=6)))
    assert 2 == len(store.claim(LANES, clock()))


def test_a_critical_alert_that_joins_a_warning_group_pages(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(severity="warning")))
    store.settle([(claim, Sent({})) for claim in store.claim(LANES, clock())], clock())
    intake.accept(a_group(an_alert(severity="warning"), an_alert()))
    assert {"pager", "mail"} == {claim.target.channel for claim in store.claim(LANES, clock())}


def test_when_the_critical_alert_leaves_the_pager_is_told_it_ended(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(severity="warning"), an_alert()))
    store.settle([(claim, Sent({})) for claim in store.claim(LANES, clock())], clock())
    intake.accept(a_group(an_alert(severity="warning"), an_alert(ends=5)))
    pager = one([claim for claim in store.claim(LANES, clock()) if claim.target.channel == "pager"])
    assert not pager.firing


def test_a_failing_channel_is_probed_by_one_delivery_at_a_time_and_then_drains(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    for number in range(5):
        intake.accept(a_group(an_alert(pod=str(number)), key=f"key-{number}"))
    claims = store.claim(LANES, clock())
    later = clock() + timedelta(seconds=2)
    retry = RetryAt(later, Reason.SERVER, "503", pause_until=later)
    store.settle([(claim, retry) for claim in claims], clock())
    assert [] == store.claim(LANES, clock.forward(1))
    probe = one(store.claim(LANES, clock.forward(1.1)))
    store.settle([(probe, Sent({}))], clock())
    assert 4 == len(store.claim(LANES, clock()))


def test_one_channels_pause_changes_nothing_for_another(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(severity="info"), key="i"))
    later = clock() + timedelta(hours=1)
    failed = RetryAt(later, Reason.RATE_LIMITED, "429", pause_until=later)
    store.settle([(one(store.claim(LANES, clock())), failed)], clock())
    intake.accept(a_group(an_alert(), key="c"))
    assert "pager" == one(store.claim(LANES, clock())).target.channel


def test_pace_is_kept_over_claims(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    for number in range(10):
        intake.accept(a_group(an_alert(), key=f"key-{number}"))
    lanes = [Lane("pager", 10, 2.0, 2, 60.0)]
    assert [2, 0, 1, 2] == [len(store.claim(lanes, clock.forward(seconds))) for seconds in (0, 0.1, 0.5, 5)]


def test_a_paced_out_channel_is_next_due_when_its_next_slot_comes(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    for number in range(3):
        intake.accept(a_group(an_alert(), key=f"key-{number}"))
    assert 1 == len(store.claim([Lane("pager", 10, 0.5, 1, 600.0)], clock()))
    assert at(3) == store.next_due(clock(), CHANNELS)


def test_critical_goes_before_warning_and_oldest_first(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    tree = Route(notify=("pager",))
    intake._policy = lambda: Policy(Rules(), tree, POLICY.channels)
    for severity, key in (("info", "1"), ("warning", "2"), ("critical", "3"), ("critical", "4")):
        intake.accept(a_group(an_alert(severity=severity), key=key))
        clock.forward(1)
    lane = [Lane("pager", 1, None, 1, 60.0)]
    assert [3, 4, 2, 1] == [one(store.claim(lane, clock())).incident_number for _ in range(4)]


def test_a_dead_letter_waits_for_its_replay(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    number = intake.accept(a_group(an_alert())).number
    dead = GiveUp(Reason.DESTINATION, "no such key", refused="{}")
    store.settle([(one(store.claim(LANES, clock())), dead)], clock())
    assert [] == store.claim(LANES, clock.forward(1000))
    assert {"pager": 1} == StoreReader(engine).health(clock()).dead
    assert 1 == StoreDeadLetters(engine).replay(Which(number), clock())
    assert number == one(store.claim(LANES, clock())).incident_number


def test_acknowledging_reaches_the_pager(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    number = intake.accept(a_group(an_alert())).number
    store.settle([(one(store.claim(LANES, clock())), Sent({}))], clock())
    StorePeople(engine, lambda: POLICY).acknowledge(number, "ada", clock())
    assert (2, True) == (one(claims := store.claim(LANES, clock())).revision, claims[0].firing)


def test_frozen_bytes_come_back_only_after_an_unknown_try(
    intake: StoreIntake, store: StoreDeliveries, clock: Clock
) -> None:
    intake.accept(a_group(an_alert()))
    claim = one(store.claim(LANES, clock()))
    store.freeze([(claim, b"bytes")])
    again = one(store.claim(LANES, clock.forward(61)))
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


def test_two_writers_open_one_incident(engine: sa.Engine, clock: Clock) -> None:
    """As two web processes on one database do."""
    intakes = [StoreIntake(engine, lambda: POLICY, clock) for _ in range(2)]
    numbers: list[int] = []

    def post(intake: StoreIntake) -> None:
        for each in range(30):
            for _attempt in range(20):  # a lost race is answered 503, and the sender sends again
                try:
                    numbers.append(intake.accept(a_group(an_alert(), key=f"k-{each}")).number)
                    break
                except Exception:
                    continue

    threads = [threading.Thread(target=post, args=(intake,)) for intake in intakes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for intake in intakes:
        intake.close()
    assert (60, 30) == (len(numbers), len(set(numbers)))


def test_old_resolved_incidents_are_forgotten_and_others_kept(
    intake: StoreIntake, store: StoreDeliveries, engine: sa.Engine, clock: Clock
) -> None:
    intake.accept(a_group(an_alert(), key="a"))
    intake.accept(a_group(an_alert(), key="b"))
    store.settle([(claim, Sent({})) for claim in store.claim(LANES, clock())], clock())
    intake.accept(a_group(an_alert(ends=3), key="a"))
    assert 0 == store.forget(clock.forward(1000))  # its end is still to be told
    store.settle([(claim, Sent({})) for claim in store.claim(LANES, clock())], clock())
    assert 1 == store.forget(clock.forward(1000))
    assert [2] == [incident.number for incident in StoreReader(engine).list_incidents()]


def test_the_next_due_time_counts_leases_and_pauses(intake: StoreIntake, store: StoreDeliveries, clock: Clock) -> None:
    assert store.next_due(clock(), CHANNELS) is None
    intake.accept(a_group(an_alert()))
    assert at(1) == store.next_due(clock(), CHANNELS)
    assert store.next_due(clock(), ("mail",)) is None
    store.claim(LANES, clock())
    assert at(61) == store.next_due(clock(), CHANNELS)


def test_what_a_dead_worker_of_this_host_was_sending_is_free_at_once(
    intake: StoreIntake, engine: sa.Engine, clock: Clock
) -> None:
    for name in "abc":
        intake.accept(a_group(an_alert(), key=name))
    workers = {"here 7": "dead", "here 8": "living", "there 7": "elsewhere"}
    for place, worker_id in workers.items():
        theirs = StoreDeliveries(engine, worker_id)
        theirs.alive(place, clock(), clock())
        theirs.claim([Lane("pager", 1, None, 1, 600.0)], clock())
    successor = StoreDeliveries(engine, "new")
    assert [] == successor.claim(LANES, clock())
    assert 1 == successor.succeed("here", lambda pid: pid == 8, clock())
    (freed,) = successor.claim(LANES, clock())
    assert freed.unknown
    assert 0 == successor.succeed("here", lambda pid: pid == 8, clock())


def test_the_store_knows_its_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).with_name("migrations")))
    assert database.NEWEST == ScriptDirectory.from_config(config).get_current_head()


def test_a_database_that_a_newer_bridge_has_migrated_is_refused_with_words(database_url: str) -> None:
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreUnavailable, match=r"schema 9999.*a newer version has migrated it"):
        open_database(database_url)


def test_a_writer_that_is_back_at_once_lets_the_others_in(engine: sa.Engine) -> None:
    """Without turns a busy writer of one SQLite file shuts the others out for seconds."""
    turns: list[str] = []
    together = threading.Barrier(2)

    def write(name: str) -> None:
        together.wait()
        for _ in range(30):
            with transaction(engine):
                turns.append(name)
                time.sleep(0.005)  # long enough for the other to have asked

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if engine.dialect.name == "sqlite":
        changes = sum(1 for one, other in pairwise(turns) if one != other)
        assert changes > 15
    assert sorted("ab" * 30) == sorted(turns)
