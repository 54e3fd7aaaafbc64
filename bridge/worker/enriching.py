"""What a message says beyond its alerts. Law: it never delays a message beyond its budget, and never prevents one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from bridge import logs
from bridge.core.facts import ChangeEvent, Context
from bridge.core.model import Incident

log = logs.get("worker")
Changes = Callable[[Incident], Awaitable[Sequence[ChangeEvent]]]


class Gathers(Protocol):
    async def gather(self, incident: Incident, changes: Sequence[ChangeEvent], *, known: bool = True) -> Context: ...

    async def close(self) -> None: ...


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
