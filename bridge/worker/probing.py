"""Model or world: golden texts for the model, once in an incident about its answers, after its message.

Invariant: no message waits for it, none is sent twice for it, and no address is asked more than once a minute by all
workers together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from bridge.core.context.golden_set import GoldenFault, GoldenSet
from bridge.core.context.probe import Baseline, Probed, Target, TargetAnswer, Unanswered, judged, sentence
from bridge.core.context.questions import common_labels
from bridge.core.facts import Context
from bridge.core.model import Incident
from bridge.observability import logs
from bridge.worker.context import ContextCollector
from bridge.worker.incident_tasks import IncidentTasks
from bridge.worker.records import RecordsThread
from bridge.worker.setup import CurrentSetup, ModelProbe
from bridge.worker.store_thread import StoreThread

log = logs.get("worker")
MINUTE = timedelta(minutes=1)
MOST = 20  #: incidents that are probed at the same time; the others stay without
REMEMBERED = 1000  #: incidents of which this worker knows that they were probed
TRIES = 3  #: to lease an address that was asked less than a minute ago


class ProbeStore(Protocol):
    """Calls block."""

    def begin_probe(self, number: int, now: datetime) -> bool:
        """False when the incident was probed before, by any worker, or is gone."""
        ...

    def save_probe(self, number: int, probed: Probed, now: datetime) -> None: ...

    def probed(self, number: int, now: datetime) -> Context | None:
        """Facts and unknowns of the incident's probe, and when it was."""
        ...

    def baselines(self, service: str, digest: str) -> Sequence[Baseline]:
        """Of all versions, measured with the golden texts of that digest."""
        ...

    def keep_baseline(self, service: str, digest: str, found: Baseline) -> None:
        """The first one of a version stays."""
        ...

    def lease_addresses(self, urls: Iterable[str], every: timedelta, now: datetime) -> Mapping[str, datetime]:
        """The addresses that may not be asked yet, and when they may."""
        ...

    def open_labels(self) -> Sequence[Mapping[str, str]] | None:
        """Of the alerts that fire in open incidents; None: too many to look through."""
        ...

    def changed_at(self, service: str) -> datetime | None:
        """When the newest change event of the service was recorded."""
        ...


class NoProbes:
    """For a worker that probes nothing."""

    def begin_probe(self, number: int, now: datetime) -> bool:
        return False

    def save_probe(self, number: int, probed: Probed, now: datetime) -> None:
        return

    def probed(self, number: int, now: datetime) -> Context | None:
        return None

    def baselines(self, service: str, digest: str) -> Sequence[Baseline]:
        return ()

    def keep_baseline(self, service: str, digest: str, found: Baseline) -> None:
        return

    def lease_addresses(self, urls: Iterable[str], every: timedelta, now: datetime) -> Mapping[str, datetime]:
        return dict.fromkeys(urls, now)

    def open_labels(self) -> Sequence[Mapping[str, str]] | None:
        return None

    def changed_at(self, service: str) -> datetime | None:
        return None


class AddressLeases:
    """The right to ask an address, which one of any number of workers has once a minute."""

    def __init__(self, thread: StoreThread, store: ProbeStore, clock: Callable[[], datetime]) -> None:
        self._thread, self._store, self._clock = thread, store, clock

    async def acquired(
        self, targets: Sequence[Target], pause: Callable[[float], Awaitable[None]], tries: int = TRIES
    ) -> Sequence[Target]:
        """Those that may be asked now; waits for the others up to `tries` times."""
        ready: set[str] = set()
        for attempt in range(tries):
            left = [each.url for each in targets if each.url not in ready]
            due = await self._thread.call(self._store.lease_addresses, left, MINUTE, self._clock())
            ready |= {url for url in left if url not in due}
            if not due or attempt == tries - 1:
                break
            wait = max(due.values()) - self._clock()
            await pause(min(MINUTE, max(timedelta(seconds=0.1), wait)).total_seconds())
        return [each for each in targets if each.url in ready]


class Prober:
    """Probes for incidents that were notified. Use it inside one running loop."""

    def __init__(
        self,
        records: RecordsThread,
        thread: StoreThread,
        store: ProbeStore,
        context: ContextCollector,
        setup: CurrentSetup,
        clock: Callable[[], datetime],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._records, self._thread, self._store, self._context = records, thread, store, context
        self._setup, self._clock, self._pause = setup, clock, pause
        self._leases = AddressLeases(thread, store, clock)
        self._tasks = IncidentTasks(MOST)
        self._done: dict[int, None] = {}

    def consider(self, incident: Incident) -> None:
        """The incident was notified."""
        number, alerts = incident.number, [alert.labels for alert in incident.firing]
        if incident.resolved or number in self._done:
            return
        model = next((each for each in self._setup.value.probes if each.probe.concerns(alerts)), None)
        if model is None or not self._tasks.start(number, lambda: self._probe(number, model, common_labels(alerts))):
            return
        self._done[number] = None
        while len(self._done) > REMEMBERED:
            del self._done[next(iter(self._done))]

    async def close(self) -> None:
        await self._tasks.close()

    async def _probe(self, number: int, model: ModelProbe, labels: Mapping[str, str]) -> None:
        try:
            if await self._thread.call(self._store.begin_probe, number, self._clock()):
                probed = await self._evidence(model, labels)
                await self._thread.call(self._store.save_probe, number, probed, self._clock())
                log.info("model_probed", incident=number, service=model.probe.service, conclusive=probed.conclusive)
                await self._add(number, probed)
        except Exception as fault:  # its text could repeat a golden text
            log.error("probe_bug", incident=number, fault=type(fault).__name__)

    async def _evidence(self, model: ModelProbe, labels: Mapping[str, str]) -> Probed:
        golden = await golden_of(model)
        if golden is None:
            return judged([Unanswered("the model", "the golden texts cannot be read")], (), self._clock())
        targets = await model.targets(labels)
        answers = await self._answers(model, targets, golden)
        baselines = await self._thread.call(self._store.baselines, model.probe.service, golden.digest)
        return judged(answers, baselines, self._clock())

    async def _answers(self, model: ModelProbe, targets: Sequence[Target], golden: GoldenSet) -> Sequence[TargetAnswer]:
        ready = await self._leases.acquired(targets, self._pause)
        late = [Unanswered(each.name, "asked less than a minute ago") for each in targets if each not in ready]
        return [*(await model.ask(ready, golden)), *late]

    async def _add(self, number: int, probed: Probed) -> None:
        """With the cause formed anew; a message is worth it only if there is an answer."""
        incident = await self._records.incident(number)
        if incident is not None and not incident.resolved:
            await self._context.collect(incident)
            await self._records.add_measurements(number, sentence(probed), loud=probed.conclusive)


async def golden_of(model: ModelProbe) -> GoldenSet | None:
    """None, with a line in the log, when they cannot be used."""
    try:
        return await asyncio.to_thread(model.golden)
    except GoldenFault as fault:
        log.warning("golden_texts_unusable", service=model.probe.service, fault=str(fault))
        return None
