"""Pictures for messages. Law: they follow the message, or come along if they are ready; nothing waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from bridge import logs
from bridge.core.charts import Picture
from bridge.core.facts import ChangeEvent
from bridge.core.model import Incident
from bridge.core.ports import Illustration

log = logs.get("worker")
MOST = 20  #: incidents whose pictures are made or remembered at the same time


class Makes(Protocol):
    async def make(self, incident: Incident, changes: Sequence[ChangeEvent]) -> tuple[Picture, ...]: ...

    async def close(self) -> None: ...


@runtime_checkable
class Illustrates(Protocol):
    """A channel that takes pictures after its message."""

    async def illustrate(self, picture: Illustration, handle: Mapping[str, Any]) -> None: ...


class Illustrator:
    """One set of pictures an incident, for all its channels; made once while this worker lives."""

    def __init__(
        self,
        changes: Callable[[Incident], Awaitable[Sequence[ChangeEvent]]],
        keep: Callable[[int, Picture], Awaitable[Illustration | None]],
    ) -> None:
        self._changes, self._keep = changes, keep
        self._making: dict[int, asyncio.Task[tuple[Illustration, ...]]] = {}
        self._following: set[asyncio.Task[None]] = set()

    def begin(self, makes: Makes | None, incident: Incident) -> asyncio.Task[tuple[Illustration, ...]] | None:
        """The pictures of a firing incident, in the making or made; None when it gets none."""
        number = incident.number
        if number in self._making:
            return self._making[number]
        if makes is None or not incident.firing:
            return None
        self._forget()
        if len(self._making) >= MOST:
            return None
        self._making[number] = asyncio.create_task(self._make(makes, incident))
        return self._making[number]

    async def ready(self, number: int, seconds: float) -> tuple[Illustration, ...]:
        """What is made by then."""
        task = self._making.get(number)
        if task is None:
            return ()
        if not task.done() and seconds > 0:
            await asyncio.wait({task}, timeout=seconds)
        return task.result() if task.done() and not task.cancelled() else ()

    def follow(self, channel: object, incident: Incident, handle: Mapping[str, Any]) -> None:
        """Send the pictures after the message, when they are made."""
        task = self._making.get(incident.number)
        if task is not None and isinstance(channel, Illustrates):
            following = asyncio.create_task(self._follow(channel, task, incident.number, handle))
            self._following.add(following)
            following.add_done_callback(self._following.discard)

    async def close(self) -> None:
        tasks = [*self._making.values(), *self._following]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(
        self,
        channel: Illustrates,
        made: asyncio.Task[tuple[Illustration, ...]],
        number: int,
        handle: Mapping[str, Any],
    ) -> None:
        try:
            for picture in await asyncio.shield(made):
                await channel.illustrate(picture, handle)
        except Exception as fault:  # the message is there; a picture is only kind
            log.warning("picture_not_sent", incident=number, fault=f"{type(fault).__name__}: {fault}"[:300])

    async def _make(self, makes: Makes, incident: Incident) -> tuple[Illustration, ...]:
        try:
            drawn = await makes.make(incident, await self._changes(incident))
            kept = [await self._keep(incident.number, picture) for picture in drawn]
            return tuple(picture for picture in kept if picture is not None)
        except Exception as fault:
            log.warning("no_pictures", incident=incident.number, fault=type(fault).__name__)
            return ()

    def _forget(self) -> None:
        """The oldest that are made, so that there is room."""
        done = [number for number, task in self._making.items() if task.done()]
        for number in done[: max(0, len(self._making) - MOST + 1)]:
            del self._making[number]
