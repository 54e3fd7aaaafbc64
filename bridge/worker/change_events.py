"""Telling channels of changes, beside the delivery loop and never in its way.

Invariant: one change in PACE for each channel, and none while a message of that channel is due. Retries are decided by
core.retrying.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bridge.core.delivery.retries import decide
from bridge.core.errors import Reason, SendError, StoreUnavailable
from bridge.core.facts import ChangeEvent
from bridge.core.ports import ChangeClaim, GiveUp, Outcome, Sent
from bridge.observability import logs
from bridge.observability.metrics import Metrics

log = logs.get("worker")
PACE = 2.0  #: seconds; PagerDuty counts change events and pages of one key together


class ChangeDeliveries(Protocol):
    """The worker's side of telling channels of changes. Calls block."""

    def waiting(self, channels: Sequence[str], now: datetime) -> list[str]:
        """Which of the channels have a change to be told of, and no message that is due before it."""
        ...

    def claim(self, channel: str, lease_seconds: float, now: datetime) -> ChangeClaim | None: ...

    def settle(self, claim: ChangeClaim, outcome: Outcome, now: datetime) -> None: ...


class ChangeSender(Protocol):
    """Tells one channel of changes."""

    lease_seconds: float  #: longer than send ever takes

    async def send(self, change: ChangeEvent) -> None:
        """Raises SendError. Never retries by itself."""
        ...

    async def close(self) -> None: ...


class ChangeTeller:
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
        self._store, self._senders, self._metrics, self._clock = store, senders, metrics, clock
        self._pace = pace_seconds
        self._stopping, self._telling = asyncio.Event(), asyncio.Lock()
        metrics.know_told(senders)

    def stop(self) -> None:
        """What is being sent is finished first."""
        self._stopping.set()

    async def reload(self, senders: Mapping[str, ChangeSender]) -> None:
        old, self._senders = self._senders, senders
        self._metrics.know_told(senders)
        async with self._telling:  # what is being sent ends on the old ones
            await _close(old)

    async def run(self) -> None:
        while not self._stopping.is_set():
            await self.round()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._pace)
        await _close(self._senders)

    async def round(self) -> None:
        """At most one change for each channel. Never raises: the pages go on whatever happens here."""
        async with self._telling:
            try:
                await self._tell_all(self._senders)
            except StoreUnavailable as fault:
                log.error("store_unavailable", fault=str(fault))
            except Exception:
                log.exception("change_not_told")

    async def _tell_all(self, senders: Mapping[str, ChangeSender]) -> None:
        if senders:
            waiting = await asyncio.to_thread(self._store.waiting, list(senders), self._clock())
            await asyncio.gather(*(self._tell(channel, senders[channel]) for channel in waiting))

    async def _tell(self, channel: str, sender: ChangeSender) -> None:
        claim = await asyncio.to_thread(self._store.claim, channel, sender.lease_seconds, self._clock())
        if claim is None:
            return
        outcome = await self._attempt(claim, sender)
        await asyncio.to_thread(self._store.settle, claim, outcome, self._clock())

    async def _attempt(self, claim: ChangeClaim, sender: ChangeSender) -> Outcome:
        try:
            await sender.send(claim.change)
        except SendError as told:
            return self._failed(claim, told)
        except Exception as bug:
            log.exception("send_bug", change=claim.change.id, channel=claim.channel)
            return self._failed(claim, SendError(Reason.BUG, f"{type(bug).__name__} while sending; see the log"))
        self._metrics.told(claim.channel, "ok")
        log.info("change_told", change=claim.change.id, channel=claim.channel)
        return Sent({})

    def _failed(self, claim: ChangeClaim, error: SendError) -> Outcome:
        outcome = decide(error, claim, self._clock(), random.random())
        self._metrics.told(claim.channel, error.reason.value)
        given_up = isinstance(outcome, GiveUp)
        (log.error if given_up else log.warning)(
            "change_given_up" if given_up else "change_not_told",
            change=claim.change.id,
            channel=claim.channel,
            why=error.detail,
        )
        return outcome


async def _close(senders: Mapping[str, ChangeSender]) -> None:
    await asyncio.gather(*(sender.close() for sender in senders.values()), return_exceptions=True)
