"""What was missing in a message is sent later, once it can be measured.

Invariant: best effort, and never a flood.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from bridge.core.facts import Fact, Measurements, newest_of
from bridge.core.model import Incident
from bridge.core.numbers import measured
from bridge.observability import logs
from bridge.worker.context import ContextCollector
from bridge.worker.incident_tasks import IncidentTasks
from bridge.worker.records import RecordsThread

log = logs.get("worker")
MOST_FACTS = 5


class Completer:
    """Asks again for incidents that were notified while Prometheus did not answer. Use it inside one running loop."""

    def __init__(
        self,
        records: RecordsThread,
        context: ContextCollector,
        *,
        every_seconds: float = 10.0,
        tries: int = 60,
        most: int = 20,
    ) -> None:
        """most: incidents that are asked about again at the same time; the others stay as they were notified."""
        self._records, self._context = records, context
        self._every, self._tries = every_seconds, tries
        self._tasks = IncidentTasks(most)

    def consider(self, incident: Incident, known: Measurements | None) -> None:
        """The incident was notified with this context."""
        if known is None or newest_of(known).complete or incident.resolved:
            return
        missing = frozenset(unknown.title for unknown in newest_of(known).unknown)
        self._tasks.start(incident.number, lambda: self._complete(incident.number, missing))

    async def close(self) -> None:
        await self._tasks.close()

    async def _complete(self, number: int, missing: frozenset[str]) -> None:
        try:
            for _ in range(self._tries):
                await asyncio.sleep(self._every)
                incident = await self._records.incident(number)
                if incident is None or incident.resolved:
                    return
                known = await self._context.collect(incident)
                context = newest_of(known) if known is not None else None
                if context is not None and context.complete:
                    text = in_words(fact for fact in context.facts if fact.title in missing)
                    await self._records.add_measurements(number, text)
                    return
        except Exception:
            log.exception("context_not_completed", incident=number)


def in_words(facts: Iterable[Fact]) -> str:
    """`Known now: Toxic share 43 %, P95 of inference 412 ms`."""
    values = [f"{fact.title} {measured(fact)}" for fact in facts if fact.value is not None]
    return f"Known now: {', '.join(values[:MOST_FACTS])}" if values else "Measured now: nothing out of the ordinary"
