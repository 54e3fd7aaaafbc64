"""What a message says beyond its alerts.

Invariant: it never delays a message beyond its budget, and never prevents one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from bridge.core.context.measurements import Measured, as_of, merged
from bridge.core.facts import ChangeEvent, Context, Fact, Measurements, Unknown
from bridge.core.incidents.periods import firing_period
from bridge.core.model import Incident
from bridge.observability import logs
from bridge.worker.records import RecordsThread
from bridge.worker.setup import ContextGatherer, CurrentSetup, ModelProbe

log = logs.get("worker")
STORE_SECONDS = 0.5  #: a message waits no longer for what the store knows


class ContextCollector:
    """Gathers incidents' contexts, and saves them for the pages."""

    def __init__(
        self, records: RecordsThread, setup: CurrentSetup, probed: Callable[[int], Awaitable[Context | None]]
    ) -> None:
        """probed: what a probe of the incident's model found."""
        self._records, self._setup, self._probed = records, setup, probed
        self._writer = ContextWriter(records)

    async def collect(self, incident: Incident) -> Measurements | None:
        """None when nothing is configured to be asked. Never raises."""
        gatherer = self._setup.value.context
        if gatherer is None:
            return None
        try:
            context = await self._gathered(gatherer, incident)
            unsaved = self._writer.unsaved(incident.number)
            self._writer.add(incident.number, context)
            return await self._with_measured_before(context, incident, unsaved) if incident.resolved else context
        except Exception:  # whatever is wrong with the context, the message goes
            log.exception("context_bug", incident=incident.number)
            return None

    async def close(self) -> None:
        await self._writer.close()

    async def _gathered(self, gatherer: ContextGatherer, incident: Incident) -> Context:
        changes: Sequence[ChangeEvent] = ()
        known = True
        learned = asyncio.create_task(self._learned(incident))
        try:
            changes = await asyncio.wait_for(self._records.changes_before(incident), STORE_SECONDS)
        except Exception as fault:
            log.warning("changes_unknown", incident=incident.number, fault=type(fault).__name__)
            known = False
        return await gatherer.gather(incident, changes, known=known, learned=await learned)

    async def _learned(self, incident: Incident) -> Sequence[Fact | Unknown]:
        """What a probe found in this outbreak, if the store answers in time."""
        if not any(each.probe.concerns(alert.labels for alert in incident.alerts.values()) for each in self._probes):
            return ()
        try:
            found = await asyncio.wait_for(self._probed(incident.number), STORE_SECONDS)
        except Exception as fault:
            log.warning("probe_unknown", incident=incident.number, fault=type(fault).__name__)
            return ()
        if found is None or found.at < firing_period(incident).started_at:
            return ()
        return (*found.facts, *found.unknown)

    @property
    def _probes(self) -> Sequence[ModelProbe]:
        return self._setup.value.probes

    async def _with_measured_before(
        self, context: Context, incident: Incident, unsaved: Sequence[Context]
    ) -> Measurements:
        """After the end: with what was measured while it fired, if the store answers in time."""
        period = firing_period(incident)
        before = Measured()
        try:
            before = await asyncio.wait_for(self._records.measured(incident.number), STORE_SECONDS)
        except Exception as fault:
            log.warning("measured_before_unknown", incident=incident.number, fault=type(fault).__name__)
        for each in (*unsaved, context):
            before = merged(before, each, period.started_at, period.ended_at)
        return as_of(before, period.started_at, period.ended_at) or context


class ContextWriter:
    """Saves contexts, many at once and after the sends. Invariant: no message waits for it."""

    def __init__(self, records: RecordsThread) -> None:
        self._records = records
        self._unsaved: dict[int, list[Context]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, number: int, context: Context) -> None:
        self._unsaved.setdefault(number, []).append(context)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def unsaved(self, number: int) -> Sequence[Context]:
        """What was not given to the store yet, the oldest first."""
        return tuple(self._unsaved.get(number, ()))

    async def close(self) -> None:
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._unsaved:
            await asyncio.sleep(0.2)  # the sends first
            batch, self._unsaved = self._unsaved, {}
            while batch:  # of one incident, the older one first: it may be the last from while it fired
                await self._write({number: contexts[0] for number, contexts in batch.items()})
                batch = {number: contexts[1:] for number, contexts in batch.items() if contexts[1:]}

    async def _write(self, contexts: Mapping[int, Context]) -> None:
        try:
            await self._records.save_contexts(contexts)
        except Exception as fault:
            log.warning("context_not_saved", incidents=sorted(contexts)[:20], fault=type(fault).__name__)
