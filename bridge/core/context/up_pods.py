"""How many pods answered Prometheus, over time. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.context.evidence import MINUTE, Evidence
from bridge.core.context.histories import History

LOOKED_BACK = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class UpPods:
    """now of expected. down: those that are asked and do not answer; others may have gone without a trace."""

    now: int
    expected: int
    down: tuple[str, ...]
    since: float | None  #: when the first was missing (Unix seconds)

    @property
    def asked(self) -> int:
        return self.now + len(self.down)

    @property
    def missing(self) -> int:
        return max(0, self.expected - self.now)


def up_pods(evidence: Evidence) -> UpPods | None:
    """Expected are all that are asked, and as many as were up most of the time in the hour before the trouble.

    So one that was replaced is not expected, and one that went without another in its place is. None when not known.
    """
    history = evidence.histories.get("targets")
    values = {pod: dict(each) for pod, each in evidence.gauge("targets").items()}
    times = sorted({at for each in values.values() for at in each if at <= evidence.until})
    if history is None or not times:
        return None
    step = history.step.total_seconds()
    last = evidence.until // step * step
    newest = times[-1] if times[-1] >= last - step else last
    up = {at: sum(1 for each in values.values() if each.get(at, 0) > 0) for at in times}
    down = tuple(sorted(pod for pod, each in values.items() if each.get(newest) == 0))
    before = sorted(up[at] for at in times if evidence.began - LOOKED_BACK <= at < evidence.began - step)
    usual = before[len(before) // 2] if before else 0
    now = up.get(newest, 0)
    short = {at for at in times if up[at] < usual or any(values[pod].get(at) == 0 for pod in down)}
    return UpPods(now, max(now + len(down), usual), down, _since(history, set(times) - short, times[0], newest))


def _since(history: History, whole: set[float], first: float, newest: float) -> float | None:
    """The first step of those up to now at which some were missing; None when it is not known."""
    at, found = newest, None
    while at >= first and at not in whole:
        found, at = at, at - history.seconds_before(at)
    return found if at >= first else None
