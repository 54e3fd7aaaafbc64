"""What a message says beyond its alerts.

Invariant: it never delays a message beyond its budget, and never prevents one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.core.context.measurements import Measured, as_of, merged
from bridge.core.facts import ChangeEvent, Context
from bridge.core.incidents.periods import firing_period
from bridge.core.model import Incident
from bridge.observability import logs

log = logs.get("worker")
Changes = Callable[[Incident], Awaitable[Sequence[ChangeEvent]]]


class Gathers(Protocol):
    async def gather(self, incident: Incident, changes: Sequence[ChangeEvent], *, known: bool = True) -> Context: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Story:
    """What the messages of one incident share beyond it, among those that were claimed together."""

    context: asyncio.Task[Context | None] | None
    until: float  #: the loop's time at which whoever could wait for pictures goes without


async def context_of(gathers: Gathers | None, changes: Changes, incident: Incident) -> Context | None:
    """None when there is nobody to ask."""
    if gathers is None:
        return None
    try:
        known = True
        try:
            found = await asyncio.wait_for(changes(incident), 0.5)
        except Exception as fault:
            log.warning("changes_unknown", incident=incident.number, fault=type(fault).__name__)
            known, found = False, ()
        return await gathers.gather(incident, found, known=known)
    except Exception:  # whatever is wrong with the context, the message goes
        log.exception("context_bug", incident=incident.number)
        return None


async def with_before(
    context: Context, incident: Incident, known: Awaitable[Measured], waiting: Sequence[Context] = ()
) -> Context:
    """After the end: with what was measured while it fired, if the store gives it in time.

    waiting: what is still on its way to the store.
    """
    period = firing_period(incident)
    before = Measured()
    try:
        before = await asyncio.wait_for(known, 0.5)
    except Exception as fault:
        log.warning("measured_before_unknown", incident=incident.number, fault=type(fault).__name__)
    for each in (*waiting, context):
        before = merged(before, each, period.started_at, period.ended_at)
    return as_of(before, period.started_at, period.ended_at) or context


class Keeper:
    """Keeps contexts for the pages, many at once, behind the messages' back. Invariant: it holds no message up."""

    def __init__(self, keep: Callable[[Mapping[int, Context]], Awaitable[object]]) -> None:
        self._keep = keep
        self._waiting: dict[int, list[Context]] = {}
        self._task: asyncio.Task[None] | None = None

    def keep(self, number: int, context: Context) -> None:
        self._waiting.setdefault(number, []).append(context)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def waiting(self, number: int) -> Sequence[Context]:
        """What the store is not given yet, the oldest first."""
        return tuple(self._waiting.get(number, ()))

    async def close(self) -> None:
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while self._waiting:
            await asyncio.sleep(0.2)  # the sends first
            kept, self._waiting = self._waiting, {}
            while kept:  # of one incident, the older one first: it may be the last from while it fired
                await self._write({number: contexts[0] for number, contexts in kept.items()})
                kept = {number: contexts[1:] for number, contexts in kept.items() if contexts[1:]}

    async def _write(self, kept: Mapping[int, Context]) -> None:
        try:
            await self._keep(kept)
        except Exception as fault:
            log.warning("context_not_kept", incidents=sorted(kept)[:20], fault=type(fault).__name__)
