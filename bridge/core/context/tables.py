"""Bad and all by pod and version over time: what rules compare. Pure.

Invariant: each count belongs to the version that its pod served then, or to none. A pod that changed its version within
a rate's window belongs to none for as long.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from bridge.core.context.counts import Counts
from bridge.core.context.histories import History
from bridge.core.context.series import Series

#: Labels that say which part of a service it is; the others say which service.
PART_LABELS = frozenset({"pod", "instance", "version", "node", "language", "error_type", "le", "__name__"})


WINDOW_STEPS = 2  #: that each step's rate is taken over
NO_VERSION = "none"  #: of what failed while no model was there


class Cell(NamedTuple):
    """One pod in one step, which ends at `at` (Unix seconds). A tuple, for a hundred pods have twenty thousand."""

    at: float
    pod: str
    version: str
    bad: float
    all: float


@dataclass(frozen=True, slots=True)
class Table:
    """The cells in the order of time."""

    cells: tuple[Cell, ...]
    step: float  #: seconds; those between the onset and now of a long incident are longer

    def between(self, since: float, until: float) -> Sequence[Cell]:
        """Of the steps that end after `since`, up to `until`."""
        return self.cells[bisect_right(self.cells, since, key=_at) : bisect_right(self.cells, until, key=_at)]

    def counts(self, since: float, until: float, wanted: Callable[[Cell], bool] | None = None) -> Counts:
        chosen = self.between(since, until)
        if wanted is not None:
            chosen = [cell for cell in chosen if wanted(cell)]
        return Counts(sum(cell.bad for cell in chosen), sum(cell.all for cell in chosen))

    def by(self, key: Callable[[Cell], str], since: float, until: float) -> dict[str, Counts]:
        """By pod or version; what belongs to none is left out."""
        bad: dict[str, float] = defaultdict(float)
        every: dict[str, float] = defaultdict(float)
        for cell in self.between(since, until):
            if name := key(cell):
                bad[name] += cell.bad
                every[name] += cell.all
        return {name: Counts(bad[name], every[name]) for name in every if every[name] >= 0.5}

    def by_version(self, since: float, until: float) -> dict[str, Counts]:
        return self.by(lambda cell: cell.version, since, until)

    def by_pod(self, since: float, until: float) -> dict[str, Counts]:
        return self.by(lambda cell: cell.pod, since, until)

    def since_it_began(self, at: float) -> Table:
        """Without the version of what ended as the trouble began: its last windows reach back to before that."""
        first = at + WINDOW_STEPS * self.step
        after = self.between(first, first + WINDOW_STEPS * self.step)
        lasting = {(cell.pod, cell.version) for cell in after if cell.all > 0}
        if not lasting:
            return self
        ended = [
            at < cell.at <= first and (cell.pod, cell.version) not in lasting and not Counts(cell.bad, cell.all).enough
            for cell in self.cells
        ]
        return Table(
            tuple(c._replace(version="") if e else c for c, e in zip(self.cells, ended, strict=True)), self.step
        )

    def over_time(self) -> list[tuple[float, Counts]]:
        """Of all pods, one for each step that has any."""
        bad: dict[float, float] = defaultdict(float)
        every: dict[float, float] = defaultdict(float)
        for cell in self.cells:
            bad[cell.at] += cell.bad
            every[cell.at] += cell.all
        return [(at, Counts(bad[at], every[at])) for at in sorted(every)]


VersionAt = Callable[[str, float], str]
Amounts = defaultdict[tuple[float, str, str], float]
_at = itemgetter(0)


def table_of(history: History, version_at: VersionAt) -> Table:
    """From rates a second. version_at: for series without a version of their own."""
    bad, every = (_summed(series, history.seconds_before) for series in (history.parts, history.wholes))
    _settle_versions(bad, every, version_at)
    cells = [
        Cell(at, pod, version or version_at(pod, at), min(bad[at, pod, version], count), count)
        for (at, pod, version), count in every.items()
    ]
    return Table(tuple(sorted(cells, key=_at)), history.step.total_seconds())


def _settle_versions(bad: Amounts, every: Amounts, version_at: VersionAt) -> None:
    """Where only one of the two names the version, or all are bad and good ones are not even counted as none."""
    for key in [key for key in bad if key not in every]:
        at, pod, _ = key
        named = [other for other in ("", version_at(pod, at)) if (at, pod, other) in every]
        if named:
            bad[at, pod, named[0]] += bad[key]
        elif bad[key] > 0:
            every[key] += bad[key]


def pod_of(labels: Mapping[str, str]) -> str:
    return labels.get("pod") or labels.get("instance") or ""


def in_scope(series: Sequence[Series], alerts: Sequence[Mapping[str, str]]) -> tuple[Series, ...] | None:
    """Those of the alerts' one service; None when they are of several, whose parts must not be compared."""
    mine = tuple(each for each in series if any(_agree(_place(each), alert) for alert in alerts)) or tuple(series)
    return mine if len({tuple(sorted(_place(each).items())) for each in mine}) <= 1 else None


def _place(series: Series) -> dict[str, str]:
    return {name: value for name, value in series.labels.items() if name not in PART_LABELS}


def _agree(place: Mapping[str, str], alert: Mapping[str, str]) -> bool:
    return all(alert.get(name, value) == value for name, value in place.items())


def _summed(series: Iterable[Series], seconds: Callable[[float], float]) -> Amounts:
    found: Amounts = defaultdict(float)
    for each in series:
        pod, version = pod_of(each.labels), each.labels.get("version", "").removeprefix(NO_VERSION)
        for at, value in each.points:
            if math.isfinite(value):
                found[at, pod, version] += max(0.0, value * seconds(at))
    return found
