"""What else the worker asks of the store: what changed before an incident, and who looks after time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bridge.core.charts.chart import Picture
from bridge.core.context.measurements import Measured
from bridge.core.facts import ChangeEvent, Context
from bridge.core.model import Incident
from bridge.core.ports import Illustration


class Duties(Protocol):
    """What else the worker asks of the store. Calls block; the worker makes them in its database thread."""

    def changes_before(self, incident: Incident) -> Sequence[ChangeEvent]: ...

    def keep(self, contexts: Mapping[int, Context]) -> None:
        """By incident: what was learned, for the pages."""
        ...

    def measured(self, number: int) -> Measured:
        """What is kept of it."""
        ...

    def illustrate(self, number: int, picture: Picture) -> Illustration | None:
        """Keep a picture where the pages and signed links find it; None when it cannot be kept."""
        ...

    def tell(self, number: int, text: str) -> None:
        """Something is known now that was missing when the incident was told."""
        ...

    def watch(self, since: datetime, now: datetime) -> Sequence[str]:
        """Look after heartbeats and timers; what came of it, in words."""
        ...


class NoDuties:
    """For a worker that only delivers."""

    def changes_before(self, incident: Incident) -> Sequence[ChangeEvent]:
        return ()

    def keep(self, contexts: Mapping[int, Context]) -> None:
        return

    def measured(self, number: int) -> Measured:
        return Measured()

    def illustrate(self, number: int, picture: Picture) -> Illustration | None:
        return Illustration(picture.title, picture.alt, picture.png, None)

    def tell(self, number: int, text: str) -> None:
        return

    def watch(self, since: datetime, now: datetime) -> Sequence[str]:
        return ()
