"""Asks each source's Alertmanagers for what no webhook said, beside the delivery loop and never in its way.

Invariant: what is not certain changes nothing (core.reconciliation decides); a fault here is logged, and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bridge.core.errors import StoreUnavailable
from bridge.core.model import Incident
from bridge.core.reconciliation import (
    AlertmanagerAnswer,
    Finding,
    GracePeriods,
    Outcome,
    StateQuery,
    Unavailable,
    decide,
    is_verified,
    outcome_of,
    query_for,
)
from bridge.observability import logs
from bridge.observability.metrics import Metrics
from bridge.worker.periodic import PeriodicTask
from bridge.worker.store_thread import StoreThread

log = logs.get("worker")


class Alertmanager(Protocol):
    """One server. fetch() never raises."""

    async def fetch(self, query: StateQuery) -> AlertmanagerAnswer: ...

    async def close(self) -> None: ...


class ReconciliationStore(Protocol):
    """The reconciler's side of the store. Calls block."""

    def acquire(self, source: str, lease_seconds: float, now: datetime) -> bool: ...

    def release(self) -> None: ...

    def verified_addresses(self, source: str) -> str: ...

    def save_verified(self, source: str, addresses: str) -> None: ...

    def unresolved(self, source: str) -> list[Incident]: ...

    def write(self, findings: Sequence[Finding], now: datetime) -> list[Finding]: ...


@dataclass(frozen=True, slots=True)
class ReconciledSource:
    """A source and its Alertmanagers, by address."""

    name: str
    alertmanagers: Mapping[str, Alertmanager]
    grace: GracePeriods
    every_seconds: float
    timeout_seconds: float  #: no Alertmanager takes longer to answer

    @property
    def addresses(self) -> str:
        return " ".join(sorted(self.alertmanagers))

    @property
    def lease_seconds(self) -> float:
        return 2 * (self.every_seconds + self.timeout_seconds)


class SourceReconciliation:
    """Of one source. It keeps in memory since when alerts are absent: after a restart that is counted from zero."""

    def __init__(
        self,
        source: ReconciledSource,
        store: ReconciliationStore,
        thread: StoreThread,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._source, self._store, self._thread = source, store, thread
        self._metrics, self._clock = metrics, clock
        self._task = PeriodicTask("reconciliation", self._run_once, source.every_seconds, source=source.name)
        self._absent_since: Mapping[str, datetime] = {}
        self._logged: Outcome | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._task.run()

    async def run_once(self) -> None:
        """Never raises."""
        await self._task.run_once()

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self._source.alertmanagers.values()))

    async def _run_once(self) -> None:
        source = self._source
        if await self._thread.call(self._store.acquire, source.name, source.lease_seconds, self._clock()):
            await self._reconcile()
        else:
            self._absent_since = {}  # what another worker's Alertmanagers answered is unknown here

    async def _reconcile(self) -> None:
        source = self._source
        incidents = await self._thread.call(self._store.unresolved, source.name)
        asked_at, query = self._clock(), query_for(incidents)
        answers = await asyncio.gather(*(each.fetch(query) for each in source.alertmanagers.values()))
        verified = await self._verified(answers, incidents)
        decision = await asyncio.to_thread(
            decide, incidents, answers, self._absent_since, asked_at, source.grace, verified=verified
        )
        self._absent_since = decision.absent_since
        self._observe(answers, outcome_of(answers, asked_at, source.grace, verified=verified))
        if decision.findings:
            self._observe_written(await self._thread.call(self._store.write, decision.findings, self._clock()))

    async def _verified(self, answers: Sequence[AlertmanagerAnswer], incidents: Sequence[Incident]) -> bool:
        """Once true for these addresses, it stays so."""
        source = self._source
        if await self._thread.call(self._store.verified_addresses, source.name) == source.addresses:
            return True
        if not is_verified(answers, incidents):
            return False
        await self._thread.call(self._store.save_verified, source.name, source.addresses)
        return True

    def _observe(self, answers: Sequence[AlertmanagerAnswer], outcome: Outcome) -> None:
        """In the log only when it changes; a source that is not verified yet is no fault while nothing has fired."""
        name = self._source.name
        self._metrics.reconciliation_ended(name, outcome.value)
        if self._logged != outcome:
            pairs = zip(self._source.alertmanagers, answers, strict=True)
            why = {address: answer.why for address, answer in pairs if isinstance(answer, Unavailable)}
            quiet = outcome in (Outcome.OK, Outcome.UNVERIFIED, Outcome.FRESH)
            (log.info if quiet else log.warning)("reconciling", source=name, outcome=outcome.value, why=why)
            self._logged = outcome

    def _observe_written(self, written: Sequence[Finding]) -> None:
        name = self._source.name
        for found in written:
            log.info("reconciled", source=name, incident=found.incident.number, ended=found.ended)
        self._metrics.alerts_ended(name, sum(found.ended for found in written))


class Reconciler:
    """Runs until stop(). One task for each source."""

    def __init__(
        self,
        store: ReconciliationStore,
        sources: Sequence[ReconciledSource],
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._metrics, self._clock = store, metrics, clock
        # One thread: an acquire() whose task was cancelled has ended before release() is called.
        self._thread = StoreThread("reconciling")
        self._stopping, self._changed = False, asyncio.Event()
        self._take(sources)

    def stop(self) -> None:
        self._stopping = True
        self._changed.set()

    def reload(self, sources: Sequence[ReconciledSource]) -> None:
        """Cancels what is being asked, but not what is being written."""
        self._take(sources)
        self._changed.set()

    async def run(self) -> None:
        while not self._stopping:
            self._changed.clear()
            await self._run_until_changed(self._sources)
        with contextlib.suppress(StoreUnavailable):
            await self._thread.call(self._store.release)
        self._thread.close()

    def _take(self, sources: Sequence[ReconciledSource]) -> None:
        self._sources = [
            SourceReconciliation(each, self._store, self._thread, self._metrics, self._clock) for each in sources
        ]
        self._metrics.declare_reconciled(each.name for each in sources)

    async def _run_until_changed(self, sources: Sequence[SourceReconciliation]) -> None:
        running = [asyncio.create_task(each.run()) for each in sources]
        await self._changed.wait()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.gather(*(each.close() for each in sources))
