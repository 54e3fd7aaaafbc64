"""The store's parts that a worker needs besides deliveries, by the settings in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bridge.app.reload import Configuration
from bridge.app.wiring import utc_now
from bridge.core.changes import WINDOW, period_of
from bridge.core.charts.chart import Picture
from bridge.core.context.measurements import Measured
from bridge.core.facts import ChangeEvent, Context
from bridge.core.model import Incident
from bridge.core.ports import Illustration
from bridge.core.recurrence import Recurrence, window_within
from bridge.store import (
    Engine,
    StoreActions,
    StoreChanges,
    StoreCharts,
    StoreContexts,
    StoreEscalations,
    StoreHeartbeats,
    StoreRecurrences,
    StoreStorms,
)


class StoreRecords:
    """See bridge.worker.records.IncidentRecords."""

    def __init__(self, engine: Engine, configuration: Configuration) -> None:
        self._configuration = configuration
        self._changes = StoreChanges(engine, utc_now)
        self._contexts = StoreContexts(engine)
        self._recurrences = StoreRecurrences(engine)
        self._pictures = StoreCharts(engine, utc_now)
        self._actions = StoreActions(engine, configuration.current_policy)

    def changes_before(self, incident: Incident) -> Sequence[ChangeEvent]:
        context = self._configuration.settings.context
        period = period_of(incident, utc_now(), context.window if context else WINDOW)
        return self._changes.changes_for([each.labels for each in incident.alerts.values()], *period)

    def recurrences(self, incidents: Sequence[Incident]) -> Mapping[int, Recurrence]:
        return self._recurrences.of(incidents, window_within(self._configuration.settings.retention))

    def save_contexts(self, contexts: Mapping[int, Context]) -> None:
        self._contexts.keep(contexts)

    def measured(self, number: int) -> Measured:
        return self._contexts.measured(number, utc_now())

    def save_picture(self, number: int, picture: Picture) -> Illustration | None:
        saved = self._pictures.keep(number, picture)
        base = self._configuration.settings.external_url
        if saved is None:
            return None
        return Illustration(picture.title, picture.alt, picture.png, f"{base}{saved.path}" if base else None)

    def add_measurements(self, number: int, text: str, *, loud: bool = True) -> None:
        self._actions.add_measurements(number, text, utc_now(), loud=loud)


class StoreChecks:
    """See bridge.worker.records.PeriodicChecks."""

    def __init__(self, engine: Engine, configuration: Configuration) -> None:
        self._heartbeats = StoreHeartbeats(engine, configuration.current_policy)
        self._escalations = StoreEscalations(engine, configuration.current_policy)
        self._storms = StoreStorms(engine, configuration.current_policy)
        self._recurrences = StoreRecurrences(engine)

    def run(self, since: datetime, now: datetime) -> Sequence[str]:
        heartbeats = [f"heartbeat {name}" for name in self._heartbeats.watch(since, now)]
        changes = [*heartbeats, *self._escalations.watch(now), *self._storms.watch(now)]
        self._recurrences.fill_in()
        return changes
