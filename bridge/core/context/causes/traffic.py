"""The traffic over time, of all pods and of each: what rules about load compare. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from bridge.core.context.evidence import JUST_BEFORE, MINUTE, Evidence
from bridge.core.context.onsets import left_level

Points = list[tuple[float, float]]
LONG_BEFORE = 45 * MINUTE
STILL_RISING = 1.25  #: times what it was until a while before the onset


@dataclass(frozen=True, slots=True)
class Rise:
    factor: float
    now: float  #: a second
    at: float  #: Unix seconds
    each: bool = False  #: of each pod, for there are more or fewer of them than before


def rise_of(evidence: Evidence) -> Rise | None:
    """How far all of it rose, since when; None without a rise."""
    return _rise(evidence.total("load"), evidence, each=False)


def rise_of_each(evidence: Evidence) -> Rise | None:
    """What each pod gets more of than before; of all of them, where their number did not change, or is not known."""
    counts, whole = _pods_up(evidence), rise_of(evidence)
    if not _scaled(counts, evidence):
        return whole
    points = [(at, value / counts[at]) for at, value in evidence.total("load") if counts.get(at)]
    return _rise(points, evidence, each=True)


def rose_with(rise: Rise, evidence: Evidence) -> bool:
    """Whether the traffic rose until the trouble began: a rise that ended long before is not because."""
    early = evidence.began - rise.at
    if not -2 * MINUTE <= early <= LONG_BEFORE:
        return False
    if early <= 2 * JUST_BEFORE or evidence.onset is None:
        return True
    load = evidence.total("load")
    around = [value for at, value in load if evidence.began - 2 * MINUTE <= at <= evidence.began + 5 * MINUTE]
    before = [value for at, value in load if evidence.began - 20 * MINUTE <= at <= evidence.began - 10 * MINUTE]
    return bool(around and before) and statistics.median(around) >= STILL_RISING * statistics.median(before)


def _rise(points: Points, evidence: Evidence, *, each: bool) -> Rise | None:
    rose = left_level(points, evidence.started)
    if rose is None:
        return None
    before = [value for at, value in points if at < rose]
    after = [value for at, value in points if rose < at <= max(evidence.began, rose) + 10 * MINUTE]
    base, now = statistics.median(before), statistics.median(after) if after else 0.0
    return Rise(now / base, now, rose, each) if base > 0 else None


def _pods_up(evidence: Evidence) -> dict[float, int]:
    found: dict[float, int] = {}
    for points in evidence.gauge("targets").values():
        for at, value in points:
            found[at] = found.get(at, 0) + (value > 0)
    return found


def _scaled(counts: dict[float, int], evidence: Evidence) -> bool:
    before = [count for at, count in counts.items() if at < evidence.began - LONG_BEFORE]
    after = [count for at, count in counts.items() if evidence.began <= at <= evidence.until]
    return bool(before and after) and statistics.median(before) != statistics.median(after)
