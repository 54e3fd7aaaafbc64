"""What the worker reads and writes of incidents besides deliveries, and what it checks as time passes."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from bridge.core.charts.chart import Picture
from bridge.core.context.measurements import Measured
from bridge.core.facts import ChangeEvent, Context
from bridge.core.model import Incident
from bridge.core.ports import Deliveries, Illustration
from bridge.core.recurrence import Recurrence
from bridge.worker.store_thread import StoreThread


class IncidentRecords(Protocol):
    """Calls block."""

    def changes_before(self, incident: Incident) -> Sequence[ChangeEvent]: ...

    def recurrences(self, incidents: Sequence[Incident]) -> Mapping[int, Recurrence]:
        """By number, of those that happened before."""
        ...

    def save_contexts(self, contexts: Mapping[int, Context]) -> None:
        """For the pages; by incident."""
        ...

    def measured(self, number: int) -> Measured:
        """What was saved of an incident."""
        ...

    def save_picture(self, number: int, picture: Picture) -> Illustration | None:
        """Where the pages and signed links find it; None when it cannot be saved."""
        ...

    def add_measurements(self, number: int, text: str, *, loud: bool = True) -> None:
        """Something was measured that was missing when the incident was notified. loud: worth a new message."""
        ...


class PeriodicChecks(Protocol):
    """Heartbeats, timers and storms. Calls block."""

    def run(self, since: datetime, now: datetime) -> Sequence[str]:
        """Returns what changed, in words. since: when this worker began."""
        ...


class NoRecords:
    """For a worker that only delivers."""

    def changes_before(self, incident: Incident) -> Sequence[ChangeEvent]:
        return ()

    def recurrences(self, incidents: Sequence[Incident]) -> Mapping[int, Recurrence]:
        return {}

    def save_contexts(self, contexts: Mapping[int, Context]) -> None:
        return

    def measured(self, number: int) -> Measured:
        return Measured()

    def save_picture(self, number: int, picture: Picture) -> Illustration | None:
        return Illustration(picture.title, picture.alt, picture.png, None)

    def add_measurements(self, number: int, text: str, *, loud: bool = True) -> None:
        return


class NoChecks:
    def run(self, since: datetime, now: datetime) -> Sequence[str]:
        return ()


class RecordsThread:
    """IncidentRecords as coroutines, in the worker's store thread."""

    def __init__(self, thread: StoreThread, deliveries: Deliveries, records: IncidentRecords) -> None:
        self._thread, self._deliveries, self._records = thread, deliveries, records

    async def incident(self, number: int) -> Incident | None:
        """As it is now."""
        return (await self._thread.call(self._deliveries.incidents, [number])).get(number)

    def changes_before(self, incident: Incident) -> Awaitable[Sequence[ChangeEvent]]:
        return self._thread.call(self._records.changes_before, incident)

    def recurrences(self, incidents: Sequence[Incident]) -> Awaitable[Mapping[int, Recurrence]]:
        return self._thread.call(self._records.recurrences, incidents)

    def save_contexts(self, contexts: Mapping[int, Context]) -> Awaitable[None]:
        return self._thread.call(self._records.save_contexts, contexts)

    def measured(self, number: int) -> Awaitable[Measured]:
        return self._thread.call(self._records.measured, number)

    def save_picture(self, number: int, picture: Picture) -> Awaitable[Illustration | None]:
        return self._thread.call(self._records.save_picture, number, picture)

    def add_measurements(self, number: int, text: str, *, loud: bool = True) -> Awaitable[None]:
        return self._thread.call(partial(self._records.add_measurements, number, text, loud=loud))
