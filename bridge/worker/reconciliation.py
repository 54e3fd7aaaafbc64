"""Asking each source's Alertmanagers what they did not tell, beside the delivery loop and never in its way.

Invariant: what is not known for certain changes nothing (core.reconciling decides); a fault here is logged, and no
more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from bridge.core.errors import StoreUnavailable
from bridge.core.model import Incident
from bridge.core.reconciliation import (
    Finding,
    Look,
    NoLook,
    Outcome,
    Patience,
    Wanted,
    decide,
    outcome_of,
    recognised,
    wanted,
)
from bridge.observability import logs
from bridge.observability.metrics import Metrics

log = logs.get("worker")
T = TypeVar("T")


class Alertmanager(Protocol):
    """One server. look() never raises."""

    async def look(self, wanted: Wanted) -> Look | NoLook: ...

    async def close(self) -> None: ...


class ReconcilerStore(Protocol):
    """The reconciler's side of the store. Calls block."""

    def acquire(self, source: str, lease_seconds: float, now: datetime) -> bool: ...

    def release(self) -> None: ...

    def verified_addresses(self, source: str) -> str: ...

    def save_verified(self, source: str, addresses: str) -> None: ...

    def unresolved(self, source: str) -> list[Incident]: ...

    def write(self, findings: Sequence[Finding], now: datetime) -> list[Finding]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A source, and whom to ask about it: by address."""

    source: str
    alertmanagers: Mapping[str, Alertmanager]
    patience: Patience
    every_seconds: float
    timeout_seconds: float  #: no Alertmanager takes longer for one look

    @property
    def addresses(self) -> str:
        return " ".join(sorted(self.alertmanagers))


@dataclass(slots=True)
class Memory:
    """Of one source, while this process runs: forgotten, an absence is only counted anew."""

    absent_since: Mapping[str, datetime] = field(default_factory=dict)
    told: str = ""  #: the last outcome that was logged


class Reconciler:
    """Runs until stop()."""

    def __init__(
        self, store: ReconcilerStore, asked: Sequence[Asked], metrics: Metrics, clock: Callable[[], datetime]
    ) -> None:
        self._store, self._asked, self._metrics, self._clock = store, asked, metrics, clock
        self._stopping, self._changed = asyncio.Event(), asyncio.Event()
        self._memory: dict[str, Memory] = {}
        # One thread: what was given up while it ran is over before leave() is called.
        self._database = ThreadPoolExecutor(1, "reconciling")
        metrics.know_reconciled(each.source for each in asked)

    def stop(self) -> None:
        self._stopping.set()
        self._changed.set()

    def reload(self, asked: Sequence[Asked]) -> None:
        """From now on these; a look that is under way is given up, what is being written is not."""
        self._asked, self._memory = asked, {}
        self._metrics.know_reconciled(each.source for each in asked)
        self._changed.set()

    async def run(self) -> None:
        while not self._stopping.is_set():
            self._changed.clear()
            asked = self._asked
            asking = [asyncio.create_task(self._again_and_again(each)) for each in asked]
            await self._changed.wait()
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            await asyncio.gather(*(each.close() for one in asked for each in one.alertmanagers.values()))
        with contextlib.suppress(StoreUnavailable):
            await self._in_thread(self._store.release)
        self._database.shutdown()

    async def _again_and_again(self, asked: Asked) -> None:
        memory = self._memory.setdefault(asked.source, Memory())
        while True:
            await self.round(asked, memory)
            await asyncio.sleep(asked.every_seconds)

    async def round(self, asked: Asked, memory: Memory) -> None:
        """Never raises: the pages go on whatever happens here."""
        try:
            lease = 2 * (asked.every_seconds + asked.timeout_seconds)
            if await self._in_thread(self._store.acquire, asked.source, lease, self._clock()):
                await self._look(asked, memory)
            else:
                memory.absent_since = {}  # another worker's looks are not ours
        except StoreUnavailable as fault:
            log.error("store_unavailable", fault=str(fault))
        except Exception:
            log.exception("not_reconciled", source=asked.source)

    async def _look(self, asked: Asked, memory: Memory) -> None:
        before = await self._in_thread(self._store.unresolved, asked.source)
        began, want = self._clock(), wanted(before)
        looks = await asyncio.gather(*(each.look(want) for each in asked.alertmanagers.values()))
        known = await self._known(asked, looks, before)
        decision = await asyncio.to_thread(
            decide, before, looks, memory.absent_since, began, asked.patience, known=known
        )
        memory.absent_since = decision.absent_since
        self._tell(asked, memory, looks, outcome_of(looks, began, asked.patience, known=known))
        if decision.findings:
            written = await self._in_thread(self._store.write, decision.findings, self._clock())
            self._told(asked.source, written)

    async def _known(self, asked: Asked, looks: Sequence[Look | NoLook], incidents: Sequence[Incident]) -> bool:
        """Proved once for these addresses, it stays so."""
        if await self._in_thread(self._store.verified_addresses, asked.source) == asked.addresses:
            return True
        if not recognised(looks, incidents):
            return False
        await self._in_thread(self._store.save_verified, asked.source, asked.addresses)
        return True

    def _tell(self, asked: Asked, memory: Memory, looks: Sequence[Look | NoLook], outcome: Outcome) -> None:
        """In the log only when it turns; what is not known yet is no fault while nothing has fired."""
        self._metrics.looked(asked.source, outcome.value)
        if memory.told != outcome:
            pairs = zip(asked.alertmanagers, looks, strict=True)
            why = {address: look.why for address, look in pairs if isinstance(look, NoLook)}
            quiet = outcome in (Outcome.OK, Outcome.UNRECOGNISED, Outcome.FRESH)
            (log.info if quiet else log.warning)("reconciling", source=asked.source, outcome=outcome.value, why=why)
            memory.told = outcome

    def _told(self, source: str, written: Sequence[Finding]) -> None:
        for found in written:
            log.info("reconciled", source=source, incident=found.incident.number, ended=found.ended)
        self._metrics.reconciled(source, sum(found.ended for found in written))

    def _in_thread(self, call: Callable[..., T], *arguments: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._database, call, *arguments)
