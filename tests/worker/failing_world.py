"""Workers with slots of their own over the real store, and a vendor that fails by a plan, in the test's own time.

A send takes as long as the vendor lets it: what hangs takes its slot for the whole timeout.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from bridge.core.delivery.failures import room_for_doubtful
from bridge.core.delivery.retries import decide
from bridge.core.errors import Reason, SendError
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity, Claim, Outcome, Sent
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreDeliveries, StoreIntake, StoreReader, open_database
from tests.builders import a_group, an_alert, at

TIMEOUT = 10.0
REFUSES = SendError(Reason.SERVER, "HTTP 500")
RESETS = SendError(Reason.NETWORK, "ConnectionResetError", ambiguous=True)
HANGS = SendError(Reason.NETWORK, "TimeoutError", ambiguous=True)
LIMITS = SendError(Reason.RATE_LIMITED, "HTTP 429", retry_after=20)
FAULTS = {"refuses": REFUSES, "resets": RESETS, "hangs": HANGS}
#: What means the whole channel, and may be said of one message all the same.
PAUSES = {
    "limits": SendError(Reason.RATE_LIMITED, "HTTP 429", retry_after=600),
    "locks out": SendError(Reason.CREDENTIAL, "HTTP 403"),
}
Fault = Callable[[Claim, float], SendError | None]  #: of a delivery at a time; None: it gets through


@dataclass
class Slots:
    """One worker: what it has under way."""

    store: StoreDeliveries
    flying: int = 0
    doubtful: int = 0


@dataclass
class World:
    engine: sa.Engine
    intake: StoreIntake
    policy: Policy
    capacity: ChannelCapacity
    fault: Fault = lambda claim, now: None
    now: float = 0.0
    workers: list[Slots] = field(default_factory=list)
    tried: list[tuple[float, int]] = field(default_factory=list)  #: when, and which incident
    shown: dict[tuple[int, str], float] = field(default_factory=dict)  #: when each arrived, by incident and recipient
    told_at: dict[int, float] = field(default_factory=dict)
    under_way: list[tuple[float, int, Slots, Claim]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)
    _vain: int = 0

    def fire(self, name: str, severity: str = "critical", *, ended: bool = False) -> int:
        alert = an_alert(name, severity, starts=self.now, ends=self.now + 1 if ended else None)
        number = self.intake.accept(a_group(alert, key=name)).number
        self.told_at.setdefault(number, self.now)
        return number

    def late(self, number: int) -> float:
        """Seconds until every recipient had it; infinite while one has not."""
        recipients = self.policy.channels["pager"].recipients
        arrived = [self.shown.get((number, each), float("inf")) for each in recipients]
        return max(arrived) - self.told_at[number]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self._land()
            claimed = self._claim()
            if not claimed:
                self.now = min(end, self._next())
            self._vain = 0 if claimed else self._vain + 1
        self._land()

    def _claim(self) -> bool:
        found = False
        for worker in self.workers:
            free = self.capacity.limit - worker.flying
            if free < 1:
                continue
            doubtful = room_for_doubtful(self.capacity.limit) - worker.doubtful
            capacity = ChannelCapacity(
                self.capacity.channel, free, self.capacity.per_second, self.capacity.burst, 60.0, doubtful=doubtful
            )
            for claim in worker.store.claim([capacity], at(self.now)):
                found = True
                self._start(worker, claim)
        return found

    def _start(self, worker: Slots, claim: Claim) -> None:
        worker.flying += 1
        worker.doubtful += claim.doubtful
        self.tried.append((self.now, claim.incident_number))
        fault = self.fault(claim, self.now)
        takes = TIMEOUT if fault is HANGS else 0.05
        heapq.heappush(self.under_way, (self.now + takes, next(self._order), worker, claim))

    def _land(self) -> None:
        landed = []
        while self.under_way and self.under_way[0][0] <= self.now:
            _, _, worker, claim = heapq.heappop(self.under_way)
            worker.flying -= 1
            worker.doubtful -= claim.doubtful
            landed.append((claim, self._outcome(claim)))
        if landed:
            self.workers[0].store.settle(landed, at(self.now))

    def _outcome(self, claim: Claim) -> Outcome:
        fault = self.fault(claim, self.now)
        if fault is not None:
            return decide(fault, claim, at(self.now), 0.5)
        self.shown.setdefault((claim.incident_number, claim.target.recipient), self.now)
        return Sent({"state": "triggered"})

    def _next(self) -> float:
        due = self.workers[0].store.next_due(at(self.now), [self.capacity.channel])
        moments = [self.under_way[0][0]] if self.under_way else []
        if due is not None:  # what is due and may not be tried is looked for less and less often, as the worker does
            moments.append(max(self.now + min(2.0, 0.02 * 2**self._vain), (due - at(0)).total_seconds()))
        return min(moments, default=float("inf"))

    def tries(self, number: int) -> int:
        return Counter(each for _, each in self.tried)[number]

    @property
    def reader(self) -> StoreReader:
        return StoreReader(self.engine)


@contextmanager
def a_world(
    folder: Path,
    *,
    workers: int = 1,
    limit: int = 8,
    per_second: float | None = 2.0,
    recipients: tuple[str, ...] = ("",),
) -> Iterator[World]:
    engine = open_database(f"sqlite:///{folder}/bridge.db")
    sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    engine.dispose()
    policy = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager", recipients, edits=False)})
    capacity = ChannelCapacity("pager", limit, per_second, max(1, int(per_second or 1)), 60.0)
    intake = StoreIntake(engine, lambda: policy, lambda: at(world.now))
    world = World(engine, intake, policy, capacity)
    chance = random.Random(7).random
    world.workers = [Slots(StoreDeliveries(engine, f"w{each}", chance=chance)) for each in range(workers)]
    try:
        yield world
    finally:
        intake.close()
        engine.dispose()
