"""The delivery loop: one asyncio loop, the database in a thread of its own.

Invariant: lease, send, settle. Nothing here decides about retries (core.retrying does) or knows a vendor (channels do).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from bridge.core.delivery.failures import room_for_doubtful
from bridge.core.delivery.retries import decide
from bridge.core.errors import Reason, SendError, StoreUnavailable
from bridge.core.facts import Context
from bridge.core.model import Incident
from bridge.core.ports import Begun, Channel, Claim, Deliveries, GiveUp, Lane, Message, Outcome, Sent
from bridge.core.timeline import Entry
from bridge.observability import logs
from bridge.observability.metrics import Metrics
from bridge.worker import housekeeping
from bridge.worker.batching import Batcher
from bridge.worker.charts import Illustrator, Makes
from bridge.worker.completing import Completer
from bridge.worker.context import Gathers, Keeper, Story, context_of, with_before
from bridge.worker.duties import Duties, NoDuties
from bridge.worker.observing import observe
from bridge.worker.refusing import kept
from bridge.worker.settling import Settler

log = logs.get("worker")
T = TypeVar("T")
SOON_SECONDS = 0.05
SHORTEST_SECONDS = 0.02


class Renders(Protocol):
    def message(
        self, incident: Incident, claim: Claim, news: Sequence[Entry], context: Context | None = None, *, html: bool
    ) -> Message: ...


class WorkerStore(Deliveries, housekeeping.HousekeepingStore, Protocol):
    """Deliveries, and the worker's own housekeeping."""

    def end_pauses(self) -> None: ...


@dataclass(frozen=True)
class Setup:
    """What the worker needs of the settings; a reload swaps it as a whole."""

    channels: Mapping[str, Channel]
    lanes: Mapping[str, Lane]
    renderer: Renders
    retention: timedelta
    context: Gathers | None = None
    pictures: Makes | None = None
    budget_seconds: float = 0.0
    redact: Callable[[str], str] = str  #: takes every secret out of what is kept of a refused message


class Worker:
    """Runs until stop(); poll_seconds is only the safety net behind wake-ups."""

    def __init__(
        self,
        store: WorkerStore,
        setup: Setup,
        metrics: Metrics,
        clock: Callable[[], datetime],
        *,
        duties: Duties | None = None,
        place: str = "",
        poll_seconds: float = 2.0,
        alive_seconds: float = 5.0,
    ) -> None:
        self._store, self._setup, self._metrics, self._clock = store, setup, metrics, clock
        self._poll = poll_seconds
        self._database = ThreadPoolExecutor(1, "database")
        self._wake = asyncio.Event()
        self._stopping = False
        self._claimed = False  # anything, by the last claim
        self._vain = 0  # so many claims in a row found nothing to try, though something was due
        self._flying: Counter[str] = Counter()
        self._doubtful: Counter[str] = Counter()  # of these, those that may hang again
        self._full: set[str] = set()  # the channels that the last claim left no room in
        self._soon: asyncio.TimerHandle | None = None  # the next claim for what has landed
        self._tasks: set[asyncio.Task[None]] = set()
        self._settler = Settler(
            lambda settled: self._in_thread(self._store.settle, settled, self._clock()), lambda: self._stopping
        )
        self._duties = duties or NoDuties()
        self._housekeeping = housekeeping.Housekeeping(
            store, self._duties, clock, self._in_thread,
            retention=lambda: self._setup.retention, longest_lease=self._longest_lease,
            place=place, every_seconds=alive_seconds,
        )  # fmt: skip
        self._illustrator = Illustrator(
            partial(self._in_thread, self._duties.changes_before),
            partial(self._in_thread, self._duties.illustrate),
            self._look,
            lambda: self._setup.pictures,
        )
        self._keeper = Keeper(partial(self._in_thread, self._duties.keep))
        self._completer = Completer(self._look, self._gather, partial(self._in_thread, self._duties.tell))
        self._freezer = Batcher[tuple[Claim, bytes]](partial(self._in_thread, self._store.freeze))

    def wake(self) -> None:
        """Something may be due. Call it in the loop's thread."""
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more; run() returns when what is being sent has been settled."""
        self._stopping = True
        self._wake.set()

    def database_moved(self) -> Awaitable[None]:
        """Done when the database's thread has come to it. Raises RuntimeError when the worker has ended."""
        return self._in_thread(lambda: None)

    async def reload(self, setup: Setup) -> None:
        """Swap channels and templates; sends under way end on the old ones."""
        old, self._setup = self._setup, setup
        await self._in_thread(self._store.end_pauses)
        self.wake()
        await asyncio.sleep(0)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=60)
        await _close(old)

    async def run(self) -> None:
        living = asyncio.create_task(self._housekeeping.run())
        try:
            while not self._stopping:
                self._wake.clear()
                await self._claim()
                await self._rest()
        finally:
            self._stopping = True
            living.cancel()
            if self._tasks:
                await asyncio.wait(set(self._tasks))
            await self._completer.close()
            await self._illustrator.close()
            await self._keeper.close()
            await _close(self._setup)
            self._database.shutdown()

    async def _claim(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        try:
            claims = await self._in_thread(self._store.claim, self._open_lanes(), self._clock())
        except Exception as fault:
            log.error("store_unavailable", fault=str(fault))
            await asyncio.sleep(1)
            return
        self._claimed = bool(claims)
        self._start(claims)
        self._full = self._setup.lanes.keys() - {lane.channel for lane in self._open_lanes()}

    def _open_lanes(self) -> list[Lane]:
        lanes = (self._room(lane) for lane in self._setup.lanes.values())
        return [lane for lane in lanes if lane.limit > 0]

    def _room(self, lane: Lane) -> Lane:
        channel = lane.channel
        doubtful = room_for_doubtful(lane.limit) - self._doubtful[channel]
        return replace(lane, limit=lane.limit - self._flying[channel], doubtful=doubtful)

    def _start(self, claims: Sequence[Claim]) -> None:
        stories: dict[int, Story] = {}
        for claim in claims:
            story = stories.get(claim.incident_number) or self._story(claim.incident)
            stories[claim.incident_number] = story
            self._flying[claim.target.channel] += 1
            self._doubtful[claim.target.channel] += claim.doubtful
            task = asyncio.create_task(self._deliver(claim, story))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _story(self, incident: Incident) -> Story:
        """Context is asked for once for all channels, which then say the same."""
        asked = asyncio.create_task(self._gather(incident)) if self._setup.context is not None else None
        self._illustrator.begin(self._setup.pictures, incident)
        return Story(asked, asyncio.get_running_loop().time() + self._setup.budget_seconds)

    async def _deliver(self, claim: Claim, story: Story) -> None:
        try:
            outcome = await self._attempt(claim, story)
            observe(self._metrics, claim, outcome, self._clock())
            await self._settler.add((claim, outcome))
        except Exception:  # the lease ends by itself and the delivery is tried again, as unknown
            log.exception("delivery_not_settled", incident=claim.incident_number, channel=claim.target.channel)
        finally:
            self._landed(claim)

    def _landed(self, claim: Claim) -> None:
        """Claim again when half of a full channel is free, or soon: for each single landing it would be mostly commits.

        Soon and not never: what landed may have to be tried again, or there is something newer to tell.
        """
        channel = claim.target.channel
        self._flying[channel] -= 1
        self._doubtful[channel] -= claim.doubtful
        lane = self._setup.lanes.get(channel)
        if lane is not None and channel in self._full and self._flying[channel] <= lane.limit // 2:
            self._wake.set()
        elif self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SOON_SECONDS, self._wake.set)

    async def _attempt(self, claim: Claim, story: Story) -> Outcome:
        refused: Any = ""
        try:
            channel = self._setup.channels[claim.target.channel]
            # a mail whose bytes are fixed says what it said
            context = await story.context if story.context is not None and claim.frozen is None else None
            render = self._setup.renderer.message
            message = render(claim.incident, claim, claim.news, context, html=channel.wants_html)
            message = await self._illustrated(message, claim, channel, story.until)
            composed = channel.compose(message, claim)
            refused = composed.content
            if composed.frozen is not None:
                await self._freezer.add((claim, composed.frozen))
            receipt = await channel.send(composed, message, claim)
            if receipt.unfinished:
                return Begun(receipt.handle)
            self._completer.consider(claim.incident, context)
            if not claim.sent:
                self._illustrator.follow(channel, claim.incident, receipt.handle)
            return Sent(receipt.handle, receipt.note, skipped=receipt.skipped)
        except SendError as told:
            error = told
        except StoreUnavailable:
            raise
        except Exception as bug:
            log.exception("send_bug", incident=claim.incident_number, channel=claim.target.channel)
            error = SendError(Reason.BUG, f"{type(bug).__name__} while sending; see the log", ambiguous=True)
        return self._failed(error, claim, refused)

    async def _illustrated(self, message: Message, claim: Claim, channel: Channel, until: float) -> Message:
        """A mail cannot be added to: the first and the last may wait for their pictures while there is budget left."""
        waits = channel.freezes and not (claim.sent and claim.firing)
        patience = until - asyncio.get_running_loop().time() if waits else 0.0
        pictures = await self._illustrator.ready(message.number, patience)
        return replace(message, pictures=pictures) if pictures else message

    async def _gather(self, incident: Incident) -> Context | None:
        changes = partial(self._in_thread, self._duties.changes_before)
        context = await context_of(self._setup.context, changes, incident)
        if context is not None:
            waiting = self._keeper.waiting(incident.number)
            self._keeper.keep(incident.number, context)
            if incident.resolved:
                known = self._in_thread(self._duties.measured, incident.number)
                return await with_before(context, incident, known, waiting)
        return context

    async def _look(self, number: int) -> Incident | None:
        return (await self._in_thread(self._store.incidents, [number])).get(number)

    def _failed(self, error: SendError, claim: Claim, refused: Any) -> Outcome:
        outcome = decide(error, claim, self._clock(), random.random())
        return kept(outcome, refused, self._setup.redact) if isinstance(outcome, GiveUp) else outcome

    async def _rest(self) -> None:
        """Until woken, the next delivery is due that there is room for, or the safety net."""
        seconds = self._poll
        try:
            now, channels = self._clock(), [lane.channel for lane in self._open_lanes()]
            due = await self._in_thread(self._store.next_due, now, channels)
            if due is not None:
                seconds = self._until((due - now).total_seconds())
        except Exception as fault:
            log.error("store_unavailable", fault=str(fault))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)

    def _until(self, due_seconds: float) -> float:
        """What is due and may not be tried (there is no room for its kind, its incident is being changed) is looked for
        less and less often: what makes room wakes."""
        self._vain = self._vain + 1 if due_seconds <= 0 and not self._claimed else 0
        return min(self._poll, max(due_seconds, SHORTEST_SECONDS * 2.0 ** min(self._vain, 10)))

    def _longest_lease(self) -> timedelta:
        return timedelta(seconds=max((lane.lease_seconds for lane in self._setup.lanes.values()), default=0.0))

    def _in_thread(self, call: Callable[..., T], *arguments: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._database, call, *arguments)


async def _close(setup: Setup) -> None:
    closing = [channel.close() for channel in setup.channels.values()]
    closing += [each.close() for each in (setup.context, setup.pictures) if each is not None]
    await asyncio.gather(*closing, return_exceptions=True)
