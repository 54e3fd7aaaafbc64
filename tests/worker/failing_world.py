"""Workers with their own slots over the real store, and a vendor that fails as planned, on a simulated clock.

A send takes as long as the vendor needs: a send that hangs occupies its slot for the whole timeout.
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
#: Errors that concern the whole channel, though a vendor may return them for a single message.
PAUSES = {
    "limits": SendError(Reason.RATE_LIMITED, "HTTP 429", retry_after=600),
    "locks out": SendError(Reason.CREDENTIAL, "HTTP 403"),
}
Fault = Callable[[Claim, float], SendError | None]  #: (delivery, time) -> the error, or None for success


@dataclass
class Slots:
    """One worker, and how many of its sends are in flight."""

    store: StoreDeliveries
    in_flight: int = 0
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
    attempted: list[tuple[float, int]] = field(default_factory=list)  #: (time, incident)
    shown: dict[tuple[int, str], float] = field(default_factory=dict)  #: (incident, recipient) -> time of arrival
    fired_at: dict[int, float] = field(default_factory=dict)
    in_flight: list[tuple[float, int, Slots, Claim]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=itertools.count)
    _empty_rounds: int = 0

    def fire(self, name: str, severity: str = "critical", *, ended: bool = False) -> int:
        alert = an_alert(name, severity, starts=self.now, ends=self.now + 1 if ended else None)
        number = self.intake.accept(a_group(alert, key=name)).number
        self.fired_at.setdefault(number, self.now)
        return number

    def late(self, number: int) -> float:
        """Seconds until it had reached every recipient; infinite before that."""
        recipients = self.policy.channels["pager"].recipients
        arrived = [self.shown.get((number, each), float("inf")) for each in recipients]
        return max(arrived) - self.fired_at[number]

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self._finish()
            claimed = self._claim()
            if not claimed:
                self.now = min(end, self._next_moment())
            self._empty_rounds = 0 if claimed else self._empty_rounds + 1
        self._finish()

    def _claim(self) -> bool:
        found = False
        for worker in self.workers:
            free = self.capacity.limit - worker.in_flight
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
        worker.in_flight += 1
        worker.doubtful += claim.doubtful
        self.attempted.append((self.now, claim.incident_number))
        fault = self.fault(claim, self.now)
        takes = TIMEOUT if fault is HANGS else 0.05
        heapq.heappush(self.in_flight, (self.now + takes, next(self._order), worker, claim))

    def _finish(self) -> None:
        finished = []
        while self.in_flight and self.in_flight[0][0] <= self.now:
            _, _, worker, claim = heapq.heappop(self.in_flight)
            worker.in_flight -= 1
            worker.doubtful -= claim.doubtful
            finished.append((claim, self._outcome(claim)))
        if finished:
            self.workers[0].store.settle(finished, at(self.now))

    def _outcome(self, claim: Claim) -> Outcome:
        fault = self.fault(claim, self.now)
        if fault is not None:
            return decide(fault, claim, at(self.now), 0.5)
        self.shown.setdefault((claim.incident_number, claim.target.recipient), self.now)
        return Sent({"state": "triggered"})

    def _next_moment(self) -> float:
        due = self.workers[0].store.next_due(at(self.now), [self.capacity.channel])
        moments = [self.in_flight[0][0]] if self.in_flight else []
        if due is not None:  # like the worker, it polls less and less often
            moments.append(max(self.now + min(2.0, 0.02 * 2**self._empty_rounds), (due - at(0)).total_seconds()))
        return min(moments, default=float("inf"))

    def attempts(self, number: int) -> int:
        return Counter(each for _, each in self.attempted)[number]

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
