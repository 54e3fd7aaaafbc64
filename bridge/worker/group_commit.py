"""Group commit: whatever waits for the store goes into one transaction: outcomes, the bytes of mails, the next claim.

Invariant: an outcome is tried until it is stored, for what is known must not become unknown while the database is away;
what the database refuses fails alone; and a mail's bytes and a lease are stored before anything is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from bridge.core.errors import StoreUnavailable
from bridge.core.ports import Claim, Deliveries, Outcome
from bridge.observability import logs
from bridge.worker.observing import Ended
from bridge.worker.slots import Slots
from bridge.worker.store_thread import StoreThread
from bridge.worker.store_work import Answer, Settled, Work, carry_out, is_away

log = logs.get("worker")
#: Once it is to stop, what failed so often is left until its lease ends: after some seconds.
STOPPING_TRIES = 4
LONGEST_WAIT = 5.0
CLAIM_AGAIN = 1.0  #: seconds, after a claim that failed
#: How long an outcome waits for a transaction that is made anyway: the next claim, a mail's bytes, other outcomes.
TOGETHER_SECONDS = 0.025
SOON_SECONDS = 0.05
SHORTEST_SECONDS = 0.02


class GroupCommit:
    """Runs until close(). Use it inside one running loop."""

    def __init__(
        self,
        store: Deliveries,
        thread: StoreThread,
        slots: Slots,
        clock: Callable[[], datetime],
        claimed: Callable[[Sequence[Claim]], None],
        observed: Callable[[Sequence[Ended]], None],
        *,
        poll_seconds: float,
    ) -> None:
        """claimed: begins what was leased. observed: is given each outcome once, many at a time."""
        self._store, self._thread, self._slots, self._clock = store, thread, slots, clock
        self._claimed, self._observed, self._poll = claimed, observed, poll_seconds
        self._wanted, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._stopping = self._closing = self._ended = False
        self._claim_wanted = False
        self._claims, self._settles = _Gate(), _Gate()
        self._settled: list[Settled] = []  # what could not be stored yet, which keeps its slots
        self._fresh: list[Ended] = []
        self._frozen: list[tuple[Claim, bytes, asyncio.Future[None]]] = []
        self._tries = 0  # of the outcomes, in a row, that failed
        self._empty_claims = 0  # in a row, though something was due
        self._together: asyncio.TimerHandle | None = None
        self._due: asyncio.TimerHandle | None = None
        self._due_at = 0.0  # by the loop's clock: uvloop's handles do not tell

    def claim(self) -> None:
        """Something may be due."""
        self._claim_wanted = True
        self._wanted.set()

    def settle(self, claim: Claim, outcome: Outcome) -> None:
        """Is stored soon: at once when its channel waits for the slot."""
        self._fresh.append(Ended(claim, outcome, self._clock()))
        self._slots.free(claim)
        if self._closing or self._slots.wants_claim:
            self._wanted.set()
        elif self._together is None:
            self._together = asyncio.get_running_loop().call_later(TOGETHER_SECONDS, self._wanted.set)

    def leave(self, claim: Claim) -> None:
        """Its outcome is not known: its lease ends by itself."""
        self._slots.free(claim)
        if self._slots.wants_claim:
            self._wanted.set()

    async def freeze(self, claim: Claim, frozen: bytes) -> None:
        """Returns once the bytes are stored. Raises StoreRefused when the lease is lost."""
        if self._ended:
            raise StoreUnavailable("the worker has ended")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._frozen.append((claim, frozen, done))
        self._wanted.set()
        await done

    def stop(self) -> None:
        """From now on claim nothing, and give up what cannot be stored after STOPPING_TRIES."""
        self._stopping = True
        self._wanted.set()

    async def idle(self) -> None:
        """Done when no transaction is under way. After stop(), nothing is leased from then on."""
        await self._idle.wait()

    def close(self) -> None:
        """run() returns when what waits has been stored."""
        self._closing = True
        self.stop()

    async def run(self) -> None:
        try:
            while not (self._closing and not (self._settled or self._fresh or self._frozen)):
                await self._wanted.wait()
                self._wanted.clear()
                self._idle.clear()
                await self._commit()
                self._idle.set()
        finally:
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._idle.set()
        for timer in (self._together, self._due, self._claims.timer, self._settles.timer):
            if timer is not None:
                timer.cancel()
        for _, _, done in self._frozen:  # after a bug; nothing is sent whose bytes are not stored
            done.cancel()

    async def _commit(self) -> None:
        work, waiting = self._work(), self._frozen
        if not (work.settled or work.frozen or work.claims):
            return
        self._frozen = []
        try:
            answer = await self._thread.call(carry_out, self._store, work, self._clock())
            self._end_settled(work.settled, answer)
            self._end_frozen(waiting, answer)
        except BaseException:  # a bug: _end() ends them, or the worker would wait for them for ever
            self._frozen += waiting
            raise
        if work.claims:
            self._end_claim(answer)
        self._rest(work, answer)

    def _work(self) -> Work:
        if self._together is not None:
            self._together.cancel()
            self._together = None
        settled = self._to_settle() if self._settles.open else ()
        asked = self._claims.open and not self._stopping
        claims = asked and (self._claim_wanted or self._slots.wants_claim)
        if claims:
            self._claim_wanted = False
        return Work(settled, [(claim, data) for claim, data, _ in self._frozen], self._slots.rooms(), claims)

    def _to_settle(self) -> Sequence[Settled]:
        for claim, _ in self._settled:
            self._slots.free(claim)
        fresh, self._fresh = self._fresh, []
        settled = [*self._settled, *((each.claim, each.outcome) for each in fresh)]
        self._settled = []
        if fresh:
            self._observed(fresh)
        return settled

    def _end_settled(self, settled: Sequence[Settled], answer: Answer) -> None:
        again: list[Settled] = []
        for each, fault in zip(settled, answer.settled, strict=True):
            if fault is not None and is_away(fault) and not (self._stopping and self._tries >= STOPPING_TRIES):
                again.append(each)
            elif fault is not None:
                _not_settled(each[0], fault)
        if again:
            log.error("not_settled_yet", deliveries=len(again), fault=str(next(filter(None, answer.settled))))
            self._settled = again
            self._slots.occupy([claim for claim, _ in again])
            self._settles.shut(min(LONGEST_WAIT, 0.1 * 4 ** min(self._tries, 5)), self._wanted.set)
        if settled:
            self._tries = self._tries + 1 if again else 0

    def _end_frozen(self, waiting: Sequence[tuple[Claim, bytes, asyncio.Future[None]]], answer: Answer) -> None:
        for (_, _, done), fault in zip(waiting, answer.frozen, strict=True):
            if done.done():  # the caller was cancelled
                continue
            if fault is None:
                done.set_result(None)
            else:
                done.set_exception(fault)

    def _end_claim(self, answer: Answer) -> None:
        if answer.claimed is not None:
            log.error("store_unavailable", fault=str(answer.claimed))
            self._claim_wanted = True
            self._claims.shut(CLAIM_AGAIN, self._wanted.set)
            return
        self._slots.take(answer.claims)
        self._claimed(answer.claims)

    def _rest(self, work: Work, answer: Answer) -> None:
        """Until woken, the next delivery is due that there is room for, or the safety net."""
        if answer.asked is not None:
            log.error("store_unavailable", fault=str(answer.asked))
        seconds = self._poll
        if answer.due is not None:
            seconds = self._until((answer.due - self._clock()).total_seconds(), work, answer)
        self._claim_in(seconds, sooner_counts=not work.claims)
        if self._slots.wants_claim:
            self._wanted.set()

    def _until(self, due_seconds: float, work: Work, answer: Answer) -> float:
        """What is due and may not be tried (no room for its kind, its incident is being changed) is polled for less and
        less often, and soon after something has ended; what waits for a full channel's slots, soon: see wants_claim."""
        if work.claims:
            self._empty_claims = self._empty_claims + 1 if due_seconds <= 0 and not answer.claims else 0
            least = SHORTEST_SECONDS * 2.0 ** min(self._empty_claims, 10)
        else:
            least = SOON_SECONDS if self._empty_claims or self._slots.are_full else 0.0
        return min(self._poll, max(due_seconds, least))

    def _claim_in(self, seconds: float, *, sooner_counts: bool) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        if self._due is not None:
            if sooner_counts and loop.time() < self._due_at <= at:
                return
            self._due.cancel()
        self._due, self._due_at = loop.call_at(at, self.claim), at


class _Gate:
    """Shut for a while after a fault."""

    def __init__(self) -> None:
        self.open = True
        self.timer: asyncio.TimerHandle | None = None

    def shut(self, seconds: float, then: Callable[[], None]) -> None:
        self.open = False
        self.timer = asyncio.get_running_loop().call_later(seconds, self._open, then)

    def _open(self, then: Callable[[], None]) -> None:
        self.open = True
        then()


def _not_settled(claim: Claim, fault: Exception) -> None:
    """The lease ends by itself and the delivery is tried again, as unknown."""
    channel = claim.target.channel
    log.error("delivery_not_settled", incident=claim.incident_number, channel=channel, exc_info=fault)
