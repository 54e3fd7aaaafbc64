"""The delivery loop: one asyncio loop, the store in a thread of its own.

What is leased is sent at once; what has ended, and what is to be leased next, waits for the next group commit.

Invariant: lease, send, settle. Nothing here decides about retries (core.delivery.retries does) or knows a vendor
(channels do).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from bridge.core.delivery.retries import decide
from bridge.core.errors import Reason, SendError, StoreUnavailable
from bridge.core.facts import Measurements
from bridge.core.model import Incident
from bridge.core.ports import Begun, Channel, Claim, Deliveries, GiveUp, Message, Outcome, Sent
from bridge.core.recurrence import Recurrence
from bridge.observability import logs
from bridge.observability.metrics import Metrics
from bridge.worker.charts import Illustrator
from bridge.worker.completing import Completer
from bridge.worker.context import ContextCollector
from bridge.worker.group_commit import GroupCommit
from bridge.worker.housekeeping import Housekeeping, HousekeepingStore
from bridge.worker.observing import Ended, observe
from bridge.worker.probe_baselines import BaselineKeeper
from bridge.worker.probing import NoProbes, Prober, ProbeStore
from bridge.worker.records import IncidentRecords, NoChecks, NoRecords, PeriodicChecks, RecordsThread
from bridge.worker.recurrence import recurrences
from bridge.worker.refusing import kept
from bridge.worker.setup import CurrentSetup, Setup
from bridge.worker.slots import Slots
from bridge.worker.store_thread import StoreThread
from bridge.worker.warming import warm_up

log = logs.get("worker")


class WorkerStore(Deliveries, HousekeepingStore, Protocol):
    """Deliveries, and the worker's own housekeeping."""

    def end_pauses(self) -> None: ...


@dataclass(frozen=True)
class SharedContent:
    """What the messages of one incident share beyond it, among those that were claimed together."""

    context: asyncio.Task[Measurements | None] | None
    recurrences: asyncio.Task[Mapping[int, Recurrence]]  #: of all that were claimed together
    until: float  #: the loop's time until which a message may wait for its pictures


class Worker:
    """Runs until stop(); poll_seconds is only the safety net behind wake-ups."""

    def __init__(
        self,
        store: WorkerStore,
        setup: Setup,
        metrics: Metrics,
        clock: Callable[[], datetime],
        *,
        records: IncidentRecords | None = None,
        checks: PeriodicChecks | None = None,
        probes: ProbeStore | None = None,
        place: str = "",
        poll_seconds: float = 2.0,
        alive_seconds: float = 5.0,
    ) -> None:
        self._store, self._setup, self._metrics, self._clock = store, CurrentSetup(setup), metrics, clock
        self._thread = thread = StoreThread("database")
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._commit = GroupCommit(
            store, thread, Slots(self._setup), clock, self._start, self._observe, poll_seconds=poll_seconds
        )
        self._housekeeping = Housekeeping(
            store, checks or NoChecks(), thread, self._setup, clock, place=place, every_seconds=alive_seconds
        )
        self._records = RecordsThread(thread, store, records or NoRecords())
        self._illustrator = Illustrator(self._records, self._setup)
        probing = probes or NoProbes()
        self._context = ContextCollector(
            self._records, self._setup, lambda number: thread.call(probing.probed, number, clock())
        )
        self._completer = Completer(self._records, self._context)
        self._prober = Prober(self._records, thread, probing, self._context, self._setup, clock)
        self._baselines = BaselineKeeper(thread, probing, self._setup, clock)

    def wake(self) -> None:
        """Something may be due. Call it in the loop's thread."""
        self._commit.claim()

    def stop(self) -> None:
        """Claim nothing more; run() returns when what is being sent has been settled."""
        self._commit.stop()
        self._stopped.set()

    def store_idle(self) -> Awaitable[None]:
        """Done when the store's thread has ended what it does now. Raises RuntimeError when the worker has ended."""
        return self._thread.idle()

    async def reload(self, setup: Setup) -> None:
        """Swap channels and templates; sends under way end on the old ones."""
        former = self._setup.swap(setup)
        await self._thread.call(self._store.end_pauses)
        self.wake()
        await asyncio.sleep(0)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=60)
        await former.close()

    async def warm_up(self) -> None:
        """Before run(), so that the first message is as fast as any."""
        await warm_up(self._setup.value, self._store, self._records, self._thread, self._clock())

    async def run(self) -> None:
        others = () if self._stopped.is_set() else (self._housekeeping, self._baselines)
        beside = [asyncio.create_task(each.run()) for each in others]
        committing = asyncio.create_task(self._commit.run())
        stopped = asyncio.create_task(self._stopped.wait())
        self.wake()
        try:
            await asyncio.wait({committing, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.stop()
            for task in (*beside, stopped):
                task.cancel()
            await self._commit.idle()
            if self._tasks:
                await asyncio.wait(set(self._tasks))
            self._commit.close()
            await asyncio.gather(*beside, stopped, return_exceptions=True)
            await asyncio.wait({committing})
            await self._completer.close()
            await self._prober.close()
            await self._illustrator.close()
            await self._context.close()
            await self._setup.value.close()
            self._thread.close()
        await committing  # raises what ended it

    def _observe(self, ended: Sequence[Ended]) -> None:
        try:
            observe(self._metrics, ended)
        except Exception:  # whatever is wrong with metrics, what is known is stored
            log.exception("deliveries_not_observed", deliveries=len(ended))

    def _start(self, claims: Sequence[Claim]) -> None:
        contents = self._shared_contents({claim.incident_number: claim.incident for claim in claims})
        for claim in claims:
            content = contents[claim.incident_number]
            task = asyncio.create_task(self._deliver(claim, content))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _shared_contents(self, incidents: Mapping[int, Incident]) -> dict[int, SharedContent]:
        """Collected once for all channels, which then say the same."""
        setup, create = self._setup.value, asyncio.create_task
        collect = self._context.collect if setup.context is not None else None
        contexts = {number: create(collect(each)) if collect else None for number, each in incidents.items()}
        found = create(recurrences(self._records, list(incidents.values())))  # what is to be measured takes longer
        until = asyncio.get_running_loop().time() + setup.budget_seconds
        for incident in incidents.values():
            self._illustrator.begin(incident)
        return {number: SharedContent(context, found, until) for number, context in contexts.items()}

    async def _deliver(self, claim: Claim, content: SharedContent) -> None:
        try:
            outcome = await self._attempt(claim, content)
        except Exception:  # the lease ends by itself and the delivery is tried again, as unknown
            log.exception("delivery_not_settled", incident=claim.incident_number, channel=claim.target.channel)
            self._commit.leave(claim)
        else:
            self._commit.settle(claim, outcome)

    async def _attempt(self, claim: Claim, content: SharedContent) -> Outcome:
        refused: Any = ""
        try:
            channel = self._setup.value.channels[claim.target.channel]
            # a mail whose bytes are frozen has its context already
            context = await content.context if content.context is not None and claim.frozen is None else None
            recurrence = (await content.recurrences).get(claim.incident_number)
            render = self._setup.value.renderer.message
            message = render(claim.incident, claim, claim.news, context, recurrence, html=channel.wants_html)
            message = await self._illustrated(message, claim, channel, content.until)
            composed = channel.compose(message, claim)
            refused = composed.content
            if composed.frozen is not None:
                await self._commit.freeze(claim, composed.frozen)
            receipt = await channel.send(composed, message, claim)
            if receipt.unfinished:
                return Begun(receipt.handle)
            self._completer.consider(claim.incident, context)
            self._prober.consider(claim.incident)
            if not claim.sent:
                self._illustrator.follow(channel, claim.incident, receipt.handle)
            return Sent(receipt.handle, receipt.note, skipped=receipt.skipped)
        except SendError as refusal:
            error = refusal
        except StoreUnavailable:
            raise
        except Exception as bug:
            log.exception("send_bug", incident=claim.incident_number, channel=claim.target.channel)
            error = SendError(Reason.BUG, f"{type(bug).__name__} while sending; see the log", ambiguous=True)
        return self._failed(error, claim, refused)

    async def _illustrated(self, message: Message, claim: Claim, channel: Channel, until: float) -> Message:
        """A mail cannot be added to: the first and the last may wait for their pictures while there is budget left."""
        waits = channel.freezes and not (claim.sent and claim.firing)
        wait_seconds = until - asyncio.get_running_loop().time() if waits else 0.0
        pictures = await self._illustrator.ready(message.number, wait_seconds)
        return replace(message, pictures=pictures) if pictures else message

    def _failed(self, error: SendError, claim: Claim, refused: Any) -> Outcome:
        outcome = decide(error, claim, self._clock(), random.random())
        return kept(outcome, refused, self._setup.value.redact) if isinstance(outcome, GiveUp) else outcome
