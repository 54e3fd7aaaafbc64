"""Whether what is notified happened before.

Invariant: it never delays a message beyond its budget, and never prevents one; what is not known in time is not said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from bridge.core.model import Incident
from bridge.core.recurrence import Recurrence
from bridge.observability import logs
from bridge.worker.context import STORE_SECONDS
from bridge.worker.records import RecordsThread

log = logs.get("worker")


async def recurrences(records: RecordsThread, incidents: Sequence[Incident]) -> Mapping[int, Recurrence]:
    """By number, of the incidents that were claimed together. Never raises."""
    try:
        return await asyncio.wait_for(records.recurrences(incidents), STORE_SECONDS)
    except Exception as fault:  # whatever is wrong with it, the messages go
        numbers = sorted(each.number for each in incidents)
        log.warning("recurrence_unknown", incidents=numbers[:20], fault=type(fault).__name__)
        return {}
