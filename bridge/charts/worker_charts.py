"""What the worker holds: a maker of pictures, its drawing process, and its connection to whoever knows the values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from bridge.charts.chart_maker import PictureMaker, Ranges
from bridge.charts.drawing_process import Studio
from bridge.core.charts.chart import Picture
from bridge.core.context.questions import DistributionQuestion
from bridge.core.facts import ChangeEvent
from bridge.core.model import Incident


class Closing(Ranges, Protocol):
    async def close(self) -> None: ...


class Illustrating:
    """Make it anywhere, use it inside one running loop, close it there."""

    def __init__(
        self,
        ranges: Closing,
        clock: Callable[[], datetime],
        distributions: Sequence[DistributionQuestion] = (),
        scope: Sequence[str] = (),
    ) -> None:
        self._ranges, self._studio = ranges, Studio()
        self._maker = PictureMaker(ranges, self._studio, clock, distributions=distributions, scope=scope)

    async def make(self, incident: Incident, changes: Sequence[ChangeEvent] = ()) -> tuple[Picture, ...]:
        return await self._maker.make(incident, changes)

    async def close(self) -> None:
        await self._studio.close()
        await self._ranges.close()
