"""Sends change events to channels, beside the delivery loop and never in its way.

Invariant: one change event in PACE for each channel, and none while a message of that channel is due. Retries are
decided by core.delivery.retries.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bridge.core.delivery.retries import decide
from bridge.core.errors import Reason, SendError
from bridge.core.facts import ChangeEvent
from bridge.core.ports import ChangeClaim, GiveUp, Outcome, Sent
from bridge.observability import logs
from bridge.observability.metrics import Metrics
from bridge.worker.periodic import PeriodicTask

log = logs.get("worker")
PACE = 2.0  #: seconds; PagerDuty counts change events and pages of one key together


class ChangeDeliveries(Protocol):
    """The change notifier's side of the store. Calls block."""

    def waiting(self, channels: Sequence[str], now: datetime) -> list[str]:
        """The channels that have a change event due, and no message that is due before it."""
        ...

    def claim(self, channel: str, lease_seconds: float, now: datetime) -> ChangeClaim | None: ...

    def settle(self, claim: ChangeClaim, outcome: Outcome, now: datetime) -> None: ...


class ChangeSender(Protocol):
    """Sends change events to one channel."""

    lease_seconds: float  #: longer than send ever takes

    async def send(self, change: ChangeEvent) -> None:
        """Raises SendError. Never retries by itself."""
        ...

    async def close(self) -> None: ...


class ChangeNotifier:
    """Runs until stop()."""

    def __init__(
        self,
        store: ChangeDeliveries,
        senders: Mapping[str, ChangeSender],
        metrics: Metrics,
        clock: Callable[[], datetime],
        *,
        pace_seconds: float = PACE,
    ) -> None:
        """senders: by channel."""
        self._store, self._senders, self._metrics, self._clock = store, senders, metrics, clock
        self._task = PeriodicTask("change_events", self._run_once, pace_seconds)
        self._sending = asyncio.Lock()
        metrics.declare_change_channels(senders)

    def stop(self) -> None:
        """Sends that are under way end first."""
        self._task.stop()

    async def reload(self, senders: Mapping[str, ChangeSender]) -> None:
        old, self._senders = self._senders, senders
        self._metrics.declare_change_channels(senders)
        async with self._sending:  # sends that are under way end on the old ones
            await _close(old)

    async def run(self) -> None:
        await self._task.run()
        await _close(self._senders)

    async def run_once(self) -> None:
        """At most one change event for each channel. Never raises."""
        await self._task.run_once()

    async def _run_once(self) -> None:
        async with self._sending:
            senders = self._senders
            if senders:
                waiting = await asyncio.to_thread(self._store.waiting, list(senders), self._clock())
                await asyncio.gather(*(self._notify(channel, senders[channel]) for channel in waiting))

    async def _notify(self, channel: str, sender: ChangeSender) -> None:
        claim = await asyncio.to_thread(self._store.claim, channel, sender.lease_seconds, self._clock())
        if claim is None:
            return
        outcome = await self._attempt(claim, sender)
        await asyncio.to_thread(self._store.settle, claim, outcome, self._clock())

    async def _attempt(self, claim: ChangeClaim, sender: ChangeSender) -> Outcome:
        try:
            await sender.send(claim.change)
        except SendError as error:
            return self._failed(claim, error)
        except Exception as bug:
            log.exception("send_bug", change=claim.change.id, channel=claim.channel)
            return self._failed(claim, SendError(Reason.BUG, f"{type(bug).__name__} while sending; see the log"))
        self._metrics.change_event_tried(claim.channel, "ok")
        log.info("change_event_sent", change=claim.change.id, channel=claim.channel)
        return Sent({})

    def _failed(self, claim: ChangeClaim, error: SendError) -> Outcome:
        outcome = decide(error, claim, self._clock(), random.random())
        self._metrics.change_event_tried(claim.channel, error.reason.value)
        given_up = isinstance(outcome, GiveUp)
        (log.error if given_up else log.warning)(
            "change_event_given_up" if given_up else "change_event_failed",
            change=claim.change.id,
            channel=claim.channel,
            why=error.detail,
        )
        return outcome


async def _close(senders: Mapping[str, ChangeSender]) -> None:
    await asyncio.gather(*(sender.close() for sender in senders.values()), return_exceptions=True)
