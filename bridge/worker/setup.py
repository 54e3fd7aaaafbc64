"""What the worker needs of the settings, and what it asks of the adapters that are built from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from bridge.core.charts.chart import Picture
from bridge.core.context.golden_set import GoldenSet
from bridge.core.context.probe import Probe, Target, TargetAnswer
from bridge.core.facts import ChangeEvent, Context, Fact, Measurements, Unknown
from bridge.core.model import Incident
from bridge.core.ports import Channel, ChannelCapacity, Claim, Message
from bridge.core.recurrence import Recurrence
from bridge.core.timeline import Entry


class MessageRenderer(Protocol):
    def message(
        self,
        incident: Incident,
        claim: Claim,
        news: Sequence[Entry],
        context: Measurements | None = None,
        recurrence: Recurrence | None = None,
        *,
        html: bool,
    ) -> Message: ...


class ContextGatherer(Protocol):
    async def gather(
        self,
        incident: Incident,
        changes: Sequence[ChangeEvent],
        *,
        known: bool = True,
        learned: Sequence[Fact | Unknown] = (),
    ) -> Context:
        """learned: evidence that was measured elsewhere."""
        ...

    async def close(self) -> None: ...


class ModelProbe(Protocol):
    """Asks one model its golden texts, within its own budget. Nothing raises for what the model does."""

    @property
    def probe(self) -> Probe: ...

    def golden(self) -> GoldenSet:
        """Blocks. Raises GoldenFault."""
        ...

    async def targets(self, labels: Mapping[str, str]) -> tuple[Target, ...]:
        """labels: those that all alerts of an incident share; none for all addresses of the service."""
        ...

    async def ask(self, targets: Sequence[Target], golden: GoldenSet) -> Sequence[TargetAnswer]:
        """In the order of the targets."""
        ...

    async def versions(self, targets: Sequence[Target], golden: GoldenSet) -> Sequence[TargetAnswer]:
        """The same with one text, for the version alone."""
        ...

    async def close(self) -> None: ...


class PictureMaker(Protocol):
    async def make(self, incident: Incident, changes: Sequence[ChangeEvent]) -> tuple[Picture, ...]: ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Setup:
    """Of the settings that were loaded last; a reload replaces it as a whole."""

    channels: Mapping[str, Channel]
    capacities: Mapping[str, ChannelCapacity]
    renderer: MessageRenderer
    retention: timedelta
    context: ContextGatherer | None = None
    pictures: PictureMaker | None = None
    probes: Sequence[ModelProbe] = ()
    budget_seconds: float = 0.0
    redact: Callable[[str], str] = str  #: takes every secret out of what is kept of a refused message

    @property
    def longest_lease(self) -> timedelta:
        return timedelta(seconds=max((capacity.lease_seconds for capacity in self.capacities.values()), default=0.0))

    async def close(self) -> None:
        closing = [channel.close() for channel in self.channels.values()]
        closing += [each.close() for each in (self.context, self.pictures, *self.probes) if each is not None]
        await asyncio.gather(*closing, return_exceptions=True)


class CurrentSetup:
    """The setup in force. What keeps this sees a reload at once."""

    def __init__(self, setup: Setup) -> None:
        self.value = setup

    def swap(self, setup: Setup) -> Setup:
        """Returns the former one."""
        former, self.value = self.value, setup
        return former
