"""Pictures for messages.

Invariant: they follow the message, or come with it if they are ready; no message waits for them beyond its budget.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from bridge.core.model import Incident
from bridge.core.ports import Illustration
from bridge.observability import logs
from bridge.worker.records import RecordsThread
from bridge.worker.setup import CurrentSetup, PictureMaker

log = logs.get("worker")
MOST = 20  #: incidents whose pictures are made or remembered at the same time
AGAIN_SECONDS, AGAIN_SHARE = 120.0, 0.1  #: when they are drawn again: the least, and of the time that it has lasted


@runtime_checkable
class IllustratedChannel(Protocol):
    """A channel that takes pictures after its message."""

    async def illustrate(self, picture: Illustration, handle: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True, slots=True)
class PictureSet:
    """The pictures of an incident as it is, or as it was over."""

    making: asyncio.Task[tuple[Illustration, ...]]
    over: bool
    before: tuple[Illustration, ...] = ()  #: made earlier: better than none


class Illustrator:
    """One set of pictures an incident, for all its channels, and a last one when it is over.

    In between they are drawn again for the pages, less and less often: of the newest MOST, while this worker lives.
    """

    def __init__(
        self,
        records: RecordsThread,
        setup: CurrentSetup,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._records, self._setup, self._pause = records, setup, pause
        self._sets: dict[int, PictureSet] = {}
        self._again: dict[int, asyncio.Task[None]] = {}
        self._following: set[asyncio.Task[None]] = set()

    def begin(self, incident: Incident) -> asyncio.Task[tuple[Illustration, ...]] | None:
        """The pictures of an incident that fires or is over, in the making or made; None when it gets none."""
        number, known = incident.number, self._sets.get(incident.number)
        maker = self._setup.value.pictures
        if known is not None and (known.over == incident.resolved or maker is None):
            return known.making
        if maker is None or not (incident.firing or incident.resolved):
            return None
        self._forget()
        if known is None and len(self._sets) >= MOST:
            return None
        self._sets[number] = PictureSet(
            asyncio.create_task(self._make(maker, incident)), incident.resolved, _made(known) if known else ()
        )
        self._draw_again(incident)
        return self._sets[number].making

    async def ready(self, number: int, seconds: float) -> tuple[Illustration, ...]:
        """What is made by then."""
        found = self._sets.get(number)
        if found is None:
            return ()
        if not found.making.done() and seconds > 0:
            await asyncio.wait({found.making}, timeout=seconds)
        return _made(found)

    def follow(self, channel: object, incident: Incident, handle: Mapping[str, Any]) -> None:
        """Send the pictures after the message, when they are made."""
        found = self._sets.get(incident.number)
        if found is not None and isinstance(channel, IllustratedChannel):
            following = asyncio.create_task(self._follow(channel, found.making, incident.number, handle))
            self._following.add(following)
            following.add_done_callback(self._following.discard)

    async def close(self) -> None:
        tasks = [*(each.making for each in self._sets.values()), *self._again.values(), *self._following]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(
        self,
        channel: IllustratedChannel,
        made: asyncio.Task[tuple[Illustration, ...]],
        number: int,
        handle: Mapping[str, Any],
    ) -> None:
        try:
            for picture in await asyncio.shield(made):
                await channel.illustrate(picture, handle)
        except Exception as fault:  # the message was sent; a picture is an extra
            log.warning("picture_not_sent", incident=number, fault=f"{type(fault).__name__}: {fault}"[:300])

    def _draw_again(self, incident: Incident) -> None:
        former = self._again.pop(incident.number, None)
        if former is not None and former is not asyncio.current_task():
            former.cancel()
        if not incident.resolved:
            self._again[incident.number] = asyncio.create_task(self._while_it_lasts(incident))

    async def _while_it_lasts(self, incident: Incident) -> None:
        """Until it is over, also when no message says that, so that a page shows all of it."""
        lasted, number = 0.0, incident.number
        try:
            while True:
                wait = max(AGAIN_SECONDS, AGAIN_SHARE * lasted)
                await self._pause(wait)
                lasted += wait
                now, maker = await self._records.incident(number), self._setup.value.pictures
                if now is None:
                    return
                if now.resolved:
                    self.begin(now)
                    return
                if maker is not None and now.firing:
                    await self._make(maker, now)
        except Exception as fault:
            log.warning("no_pictures", incident=number, fault=type(fault).__name__)

    async def _make(self, maker: PictureMaker, incident: Incident) -> tuple[Illustration, ...]:
        try:
            drawn = await maker.make(incident, await self._records.changes_before(incident))
            saved = [await self._records.save_picture(incident.number, picture) for picture in drawn]
            return tuple(picture for picture in saved if picture is not None)
        except Exception as fault:
            log.warning("no_pictures", incident=incident.number, fault=type(fault).__name__)
            return ()

    def _forget(self) -> None:
        """The oldest that are made, so that there is room."""
        done = [number for number, each in self._sets.items() if each.making.done()]
        for number in done[: max(0, len(self._sets) - MOST + 1)]:
            del self._sets[number]
            if (again := self._again.pop(number, None)) is not None:
                again.cancel()


def _made(found: PictureSet) -> tuple[Illustration, ...]:
    """What there is of it now, else what was made earlier."""
    ended = found.making.done() and not found.making.cancelled()
    return (found.making.result() if ended else ()) or found.before
