"""What the first message would else wait for: done before the worker says that it is ready.

Templates run for the first time, statements are built, sessions are made: together as long as a slow query. Nothing is
written, no vendor is called, and a fault stops nothing: the first message meets it again.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime

from bridge.core.model import Target
from bridge.core.ports import Channel, ChannelCapacity, Deliveries
from bridge.observability import logs
from bridge.rendering.sample import sample_claim, sample_context, sample_incident, sample_recurrence
from bridge.worker.records import RecordsThread
from bridge.worker.setup import Setup
from bridge.worker.store_thread import StoreThread

log = logs.get("worker")
NO_CHANNEL = ChannelCapacity("", 1, None, 1, 1.0)  #: none is called so: nothing is leased


async def warm_up(setup: Setup, store: Deliveries, records: RecordsThread, thread: StoreThread, now: datetime) -> None:
    """Never raises."""
    incident = sample_incident(resolved=False)
    asked: list[Awaitable[object]] = [
        thread.call(store.claim, [NO_CHANNEL], now),
        thread.call(store.next_due, now, [NO_CHANNEL.channel]),
        records.changes_before(incident),
        records.recurrences([incident]),
    ]
    for each in asked:
        try:
            await each
        except Exception as fault:
            log.warning("not_warmed_up", what="store", fault=str(fault)[:300])
    for channel in setup.channels.values():
        try:
            _compose(setup, channel)
        except Exception as fault:
            log.warning("not_warmed_up", what=channel.name, fault=f"{type(fault).__name__}: {fault}"[:300])


def _compose(setup: Setup, channel: Channel) -> None:
    recipient = next(iter(channel.recipients), "")
    claim = replace(sample_claim(firing=True), target=Target(channel.name, recipient))
    known = (sample_context(), sample_recurrence())
    message = setup.renderer.message(claim.incident, claim, (), *known, html=channel.wants_html)
    channel.compose(message, claim)
