"""A vendor that is down for a minute, an hour, a day: the requests that it gets, and what it shows afterwards.

The store and the retry decisions are the real ones; the clock and the vendor are simulated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from bridge.core.delivery.retries import decide
from bridge.core.errors import Reason, SendError
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec, Incident
from bridge.core.ports import ChannelCapacity, Claim, Outcome, Sent
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreDeliveries, StoreIntake, StoreReader, open_database
from tests.builders import a_group, an_alert, at

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
CHANNELS = ("pager", "mail", "chat")
ROUTES = Route(
    notify=("chat",),
    routes=(
        Route(matchers=parse_matchers('only="pager"'), notify=("pager",)),
        Route(matchers=parse_matchers('severity="critical"'), notify=("pager", "mail", "chat")),
    ),
)
SPECS = {"pager": ChannelSpec("pager"), "chat": ChannelSpec("chat"), "mail": ChannelSpec("mail", edits=False)}
POLICY = Policy(Rules(), ROUTES, SPECS)
RATES = {"pager": 2.0, "mail": 0.5, "chat": 1.0}
CAPACITIES = [ChannelCapacity(name, 4, RATES[name], max(1, int(RATES[name])), 60.0) for name in CHANNELS]


@dataclass
class Vendor:
    """Fails while it is down; otherwise records (incident, revision, firing) in the order of arrival."""

    faults: dict[str, SendError] = field(default_factory=dict)  #: by channel, while it is down
    requests: dict[str, list[datetime]] = field(default_factory=lambda: {name: [] for name in CHANNELS})
    attempted: dict[str, set[int]] = field(default_factory=lambda: {name: set() for name in CHANNELS})
    shown: dict[str, list[tuple[int, int, bool]]] = field(default_factory=lambda: {name: [] for name in CHANNELS})

    def answer(self, claim: Claim, now: datetime) -> Outcome:
        channel = claim.target.channel
        self.requests[channel].append(now)
        self.attempted[channel].add(claim.incident_number)
        if channel in self.faults:
            return decide(self.faults[channel], claim, now, 0.5)
        self.shown[channel].append((claim.incident_number, claim.revision, claim.firing))
        return Sent({})


class World:
    """One bridge on a simulated clock."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_database(f"sqlite:///{folder}/bridge.db")
        sa.event.listen(self.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
        self.engine.dispose()
        self.now, self.vendor, self.capacities = 0.0, Vendor(), CAPACITIES
        self.store = StoreDeliveries(self.engine)
        self.intake = StoreIntake(self.engine, lambda: POLICY, lambda: at(self.now))

    def receive(self, key: str, severity: str = "critical", ended: bool = False, **labels: str) -> None:
        alert = an_alert(key, severity, starts=0, ends=self.now if ended else None, **labels)
        self.intake.accept(a_group(alert, key=key))

    def skip(self, seconds: float, awake: float = 30) -> None:
        """Like run, but skips the middle of a long time, in which each probe is like the one before."""
        self.run(min(seconds, awake))
        if seconds > 2 * awake:
            self.now += seconds - 2 * awake
        self.run(min(max(0, seconds - awake), awake))

    def run(self, seconds: float) -> None:
        """Deliver everything that is due, from one due time to the next."""
        end = self.now + seconds
        while self.now < end:
            claims = self.store.claim(self.capacities, at(self.now))
            if claims:
                self.store.settle([(each, self.vendor.answer(each, at(self.now))) for each in claims], at(self.now))
                continue
            due = self.store.next_due(at(self.now), CHANNELS)
            self.now = end if due is None else min(end, max(self.now + 0.02, (due - at(0)).total_seconds()))

    def incidents(self) -> Mapping[int, Incident]:
        reader = StoreReader(self.engine)
        return {each.number: each for each in reader.list_incidents(limit=1000)}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.intake.close()
    world.engine.dispose()


AWAY = SendError(Reason.SERVER, "HTTP 503")
SILENT = SendError(Reason.NETWORK, "TimeoutError", ambiguous=True)
LIMITED = SendError(Reason.RATE_LIMITED, "ratelimited", retry_after=1e9)
LOCKED_OUT = SendError(Reason.CREDENTIAL, "invalid_auth")


def an_outage(world: World, seconds: float, fault: SendError) -> None:
    """Meanwhile some alerts last, some come and go, some flap, and some end that were notified before."""
    world.receive("notified-and-lasting")
    world.receive("notified-and-ending")
    world.run(20)
    world.vendor.faults = dict.fromkeys(CHANNELS, fault)
    world.receive("warning", "warning")
    world.receive("lasting")
    world.skip(seconds / 4)
    for step in range(6):
        world.receive("flapping", ended=step % 2 == 1)
        world.receive("came-and-went", "critical", ended=step > 2)
        world.skip(seconds / 16)
    world.receive("notified-and-ending", ended=True)
    world.receive("late")
    world.skip(seconds / 4)
    world.vendor.shown = {name: [] for name in CHANNELS}
    world.vendor.faults = {}
    world.run(1000)


@pytest.mark.parametrize("fault", [AWAY, SILENT], ids=["refusing", "silent"])
@pytest.mark.parametrize("seconds", [MINUTE, HOUR, DAY], ids=["a minute", "an hour", "a day"])
def test_after_an_outage_each_channel_shows_the_current_state_and_nothing_that_was_skipped(
    world: World, seconds: float, fault: SendError
) -> None:
    an_outage(world, seconds, fault)
    assert_current_state(world, unknown=fault is SILENT)


def assert_current_state(world: World, *, unknown: bool) -> None:
    found = world.incidents()
    for channel in CHANNELS:
        shown = world.vendor.shown[channel]
        numbers = [number for number, _, _ in shown]
        assert len(numbers) == len(set(numbers)), "more than one message for an incident"
        wrong = [each for each in shown if each[1:] != (found[each[0]].revision, not found[each[0]].resolved)]
        assert wrong == [], "an outdated state"
        routed = {number for number, each in found.items() if channel == "chat" or each.severity.value == "critical"}
        kept = {number for number, each in found.items() if each.group_key == "notified-and-lasting"}
        over = {number for number, each in found.items() if each.resolved and each.group_key != "notified-and-ending"}
        never = over - (world.vendor.attempted[channel] if unknown else set())
        assert set(numbers) == routed - kept - never, "no resolve without a trigger"


def test_after_an_outage_one_probe_is_followed_by_the_oldest_critical_incident(world: World) -> None:
    world.vendor.faults = {"chat": AWAY}
    for key, severity in (("w", "warning"), ("c1", "critical"), ("i", "info"), ("c2", "critical"), ("c3", "critical")):
        world.receive(key, severity)
        world.run(30)
    world.vendor.faults = {}
    world.run(60)
    probe, *rest = [number for number, _, _ in world.vendor.shown["chat"]]
    assert rest == [number for number in (2, 4, 5, 1, 3) if number != probe]


def test_the_outage_of_one_channel_delays_no_other(world: World) -> None:
    world.vendor.faults = {"pager": AWAY}
    world.run(1)
    world.receive("a")
    world.run(1)
    assert [number for number, _, _ in world.vendor.shown["chat"]] == [1]
    assert world.vendor.shown["pager"] == []


def test_a_day_of_outage_is_probed_less_and_less_often_with_one_timeline_entry(world: World) -> None:
    """Each is attempted at once, and again after one, two and four seconds; then there is one attempt in eight seconds,
    however many wait. Observed for two minutes of every four hours."""
    world.vendor.faults, world.capacities = {"pager": AWAY}, CAPACITIES[:1]
    for number in range(40):
        world.receive(f"k{number}", only="pager")
    world.run(40 * (0.5 + 1 + 2 + 4) + 8)
    first = len(world.vendor.requests["pager"])
    assert 160 <= first <= 162
    for _ in range(6):
        world.skip(DAY / 6, awake=MINUTE)
    probes = world.vendor.requests["pager"][first:]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(probes)]
    assert min(gaps) >= 8
    assert 60 < len(probes) <= 12 * MINUTE / 8 + 1
    world.vendor.faults = {}
    world.run(8 + 40 / RATES["pager"])
    assert {number for number, _, _ in world.vendor.shown["pager"]} == set(range(1, 41))
    entries = [entry for entry in StoreReader(world.engine).timeline(1) if entry.actor.startswith("pager")]
    assert [entry.kind for entry in entries] == ["failed", "delivered"]


@pytest.mark.parametrize(("fault", "longest"), [(LIMITED, 990.0), (LOCKED_OUT, 60.0)], ids=["limited", "credential"])
def test_a_rate_limit_or_a_wrong_credential_pauses_the_channel_for_minutes_at_most(
    world: World, fault: SendError, longest: float
) -> None:
    world.vendor.faults, world.capacities = {"pager": fault}, CAPACITIES[:1]
    for number in range(20):
        world.receive(f"k{number}", only="pager")
    world.run(30 * longest)
    first = len([each for each in world.vendor.requests["pager"] if each < at(1)])
    assert first <= 4  # those in flight when the channel was paused
    once = 20 - first  # each critical delivery is attempted once, however long the others wait
    assert len(world.vendor.requests["pager"]) <= first + once + 33
    world.vendor.faults = {}
    world.run(longest + 20 / RATES["pager"])
    assert len(world.vendor.shown["pager"]) == 20
