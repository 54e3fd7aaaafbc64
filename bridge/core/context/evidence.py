"""What the rules see of one incident. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bridge.core.context.counts import Counts, errors_apart
from bridge.core.context.histories import History
from bridge.core.context.onsets import Began, left_level, onset_of_counts
from bridge.core.context.presence import Gauge, presence_of
from bridge.core.context.questions import SYMPTOMS
from bridge.core.context.series import Series
from bridge.core.context.served_versions import ServedVersions, served_of
from bridge.core.context.tables import Table, in_scope, pod_of, table_of
from bridge.core.facts import ChangeEvent, Fact, Onset, Verdict

MINUTE = 60.0
#: A change coincides with the onset from so long before it; windows of other measurements are a minute or two off.
JUST_BEFORE, SKEW = 6 * MINUTE, 2.5 * MINUTE
SOON_BEFORE = 8.5 * MINUTE  #: until then it is at least possible; what ran clean for longer is no cause
NOISE = 8 * MINUTE  #: an onset in few counts may be so far off
FINELY = MINUTE  #: an onset that is known so well decides by its time alone what came after it
UNTIL_IT_FIRES = 20 * MINUTE  #: the same before an alert whose onset is not known
CLOCKS_APART = 20 * MINUTE  #: a version was first seen so near to what was reported, or it is another deploy
SURE = 4.0  #: standard errors
NO_CAUSES = ("rollback", "retraining")  #: a rollback mends, and a retraining that was started serves nothing yet
YOUNG = 30 * MINUTE
AROUND = 180 * MINUTE  #: after its start, of a long incident, an onset is looked for
GAUGES = ("targets", "memory", "starts")
NO_COUNTS = Counts()


@dataclass(frozen=True, slots=True)
class Symptom:
    """What an alert is about: bad ones out of all, by pod and version over time."""

    role: str
    title: str
    table: Table
    onset: Began | None
    limit: float | None = None  #: above this ratio it is bad


@dataclass(frozen=True, slots=True)
class Evidence:
    """All times are Unix seconds. until: now, or the end. window: how far before the start a cause is looked for."""

    facts: tuple[Fact, ...]
    changes: tuple[ChangeEvent, ...]
    changes_known: bool
    started: float
    until: float
    window: timedelta
    histories: Mapping[str, History]
    versions: ServedVersions
    symptom: Symptom | None = None
    onset: Onset | None = None
    before: Counts = NO_COUNTS  #: of all parts in the hour before the trouble; none when its onset is not known
    gauges: Mapping[str, Gauge] = field(default_factory=dict)
    inputs: tuple[History, ...] = ()
    about: tuple[Mapping[str, str], ...] = ()  #: the alerts' labels

    def fact(self, role: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.role == role), None)

    @property
    def began(self) -> float:
        """The onset, or when the alert fired."""
        return self.onset.at.timestamp() if self.onset else self.started

    @property
    def within(self) -> float:
        """Seconds by which the onset may have been otherwise."""
        known = self.symptom.onset if self.symptom is not None else None
        return known.within if known is not None and abs(known.at - self.began) < 1 else SKEW

    @property
    def trouble(self) -> tuple[float, float]:
        """From before the first bad one."""
        return self.began, self.until

    @property
    def bad(self) -> bool:
        """Whether there is trouble to explain: it began, or it is above its limit as long as anything is known."""
        if self.symptom is None or self.onset is not None or self.symptom.limit is None:
            return True
        return self.symptom.table.counts(*self.trouble).ratio > self.symptom.limit

    @property
    def crowded(self) -> bool:
        """Whether the traffic, or what waits for an answer, is bad by itself."""
        found = (self.fact("traffic"), self.fact("saturation"))
        return any(fact is not None and fact.verdict is Verdict.BAD for fact in found)

    @property
    def young(self) -> bool:
        """Whether what the alert is about was not measured for long before it: then its onset cannot be known."""
        cells = self.symptom.table.cells if self.symptom else ()
        return bool(cells) and cells[0].at > self.started - YOUNG

    def gauge(self, role: str) -> Gauge:
        """The values of each pod over time, divided by their whole where there is one."""
        return self.gauges.get(role, {})

    def total(self, role: str) -> list[tuple[float, float]]:
        """The sum of all parts at each time."""
        history = self.histories.get(role)
        return _total(history.parts) if history else []

    def since(self, change: ChangeEvent) -> float:
        """When it took effect: as reported, unless its version was seen to begin at another time near that."""
        seen, said = self.versions.began.get(change.version), change.at.timestamp()
        history = self.histories.get("versions")
        step = history.step.total_seconds() if history is not None else MINUTE
        if seen is None or abs(seen - said) > CLOCKS_APART or seen - 2 * step <= said <= seen - step / 2:
            return said
        return seen - step / 2

    def at_onset(self) -> list[ChangeEvent]:
        """Changes that may have caused trouble beginning then, the nearest first."""
        begun = self.began
        kinds = [change for change in self.changes if change.kind not in NO_CAUSES]
        earliest = SOON_BEFORE if self.onset else UNTIL_IT_FIRES
        near = [c for c in kinds if begun - self.since(c) <= earliest and not self.preceded(c)]
        return sorted(near, key=lambda change: abs(begun - self.since(change)))

    def coincides(self, change: ChangeEvent) -> bool:
        gap = self.began - self.since(change)
        return self.onset is not None and -min(self.within, FINELY) <= gap <= JUST_BEFORE and not self.preceded(change)

    def preceded(self, change: ChangeEvent) -> bool:
        """Whether the trouble was there before the change: by its time, and by counts where few tell the onset."""
        late = self.since(change) - self.began
        if late <= self.within or late > NOISE or self.symptom is None or self.within <= FINELY:
            return late > self.within
        between = self.symptom.table.counts(self.began, self.since(change) - self.symptom.table.step)
        return errors_apart(between, self.before) >= SURE


def evidence_of(
    facts: Sequence[Fact],
    changes: Sequence[ChangeEvent],
    histories: Sequence[History],
    period: tuple[datetime, datetime],
    *,
    window: timedelta,
    changes_known: bool,
    alerts: Sequence[Mapping[str, str]],
    expression: Sequence[Series] = (),
) -> list[Evidence]:
    """One for each symptom that the alerts are about, and one without any if there is none.

    period: the alert's start, and now or the end. expression: the values of the alert's own expression over time.
    """
    started, until = (at.timestamp() for at in period)
    known = [scoped for each in histories if (scoped := _scoped(each, alerts)) is not None]
    by_role = {each.question.role: each for each in reversed(known)}
    gauges = {role: _gauge(each) for role, each in by_role.items() if role in GAUGES}
    presence = presence_of(gauges.get("targets", {}))
    there = {role: presence.of_those_there(gauges[role], until) for role in gauges if role != "targets"}
    versions = served_of(by_role.get("versions"), presence)
    plain = Evidence(
        tuple(facts), tuple(changes), changes_known, started, until, window, by_role, versions,
        gauges={**gauges, **there},
        inputs=tuple(each for each in known if each.question.role == "inputs"), about=tuple(alerts),
    )  # fmt: skip
    symptoms = [_symptom(each, versions, started, until) for each in known if each.question.role in SYMPTOMS]
    if symptoms:
        return [_of_symptom(plain, each, expression) for each in symptoms]
    return [replace(plain, onset=_onset(None, plain, expression))]


def of_several_services(history: History, alerts: Sequence[Mapping[str, str]]) -> bool:
    """Whether its parts must not be compared, for the alerts do not say which service they are about."""
    return _scoped(history, alerts) is None


def _of_symptom(plain: Evidence, symptom: Symptom, expression: Sequence[Series]) -> Evidence:
    onset, table = _onset(symptom, plain, expression), symptom.table
    began = onset.at.timestamp() if onset else 0.0
    before = table.counts(began - 60 * MINUTE, began - table.step) if onset else Counts()
    table = table.since_it_began(began) if onset else table
    return replace(plain, symptom=replace(symptom, table=table), onset=onset, before=before)


def _symptom(history: History, versions: ServedVersions, started: float, until: float) -> Symptom:
    table = table_of(history, versions.at)
    steps = [(at, counts) for at, counts in table.over_time() if at <= min(until, started + AROUND)]
    onset = onset_of_counts(steps, started, table.step)
    return Symptom(history.question.role, history.question.title, table, onset, history.question.bad_above)


def _onset(symptom: Symptom | None, plain: Evidence, expression: Sequence[Series]) -> Onset | None:
    """From the finest source that reaches back before the trouble."""
    if symptom is not None and symptom.onset is not None:
        return _at(symptom.onset.at, symptom.title)
    mine = [each for each in expression if any(_agree(each, alert) for alert in plain.about)]
    left = [at for each in mine or expression if (at := left_level(each.points, plain.started)) is not None]
    if left:
        return _at(min(left), "the alert's expression")
    load = plain.histories.get("load")
    if symptom is not None or load is None or not plain.crowded:
        return None
    rose = left_level(plain.total("load"), plain.started)
    return _at(rose, load.question.title) if rose is not None else None


def _at(at: float, source: str) -> Onset:
    return Onset(datetime.fromtimestamp(at, UTC), source)


def _agree(series: Series, alert: Mapping[str, str]) -> bool:
    return all(alert.get(name) == value for name, value in series.labels.items() if name != "__name__")


def _scoped(history: History, alerts: Sequence[Mapping[str, str]]) -> History | None:
    parts, wholes = in_scope(history.parts, alerts), in_scope(history.wholes, alerts)
    return None if parts is None or wholes is None else replace(history, parts=parts, wholes=wholes)


def _gauge(history: History) -> Gauge:
    wholes = {(pod_of(each.labels), at): value for each in history.wholes for at, value in each.finite}
    found: Gauge = {}
    for each in history.parts:
        pod = pod_of(each.labels)
        values = found.setdefault(pod, [])
        for at, value in each.finite:
            whole = wholes.get((pod, at), 0.0) if history.wholes else 1.0
            if whole > 0:
                values.append((at, value / whole))
    return {pod: sorted(values) for pod, values in found.items() if values}


def _total(series: Sequence[Series]) -> list[tuple[float, float]]:
    found: dict[float, float] = {}
    for each in series:
        for at, value in each.finite:
            found[at] = found.get(at, 0.0) + value
    return sorted(found.items())
