"""How many pods answered Prometheus, over time. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.context.evidence import MINUTE, Evidence

LOOKED_BACK = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class UpPods:
    """now of expected. down: those that are asked and do not answer; others may have gone without a trace."""

    now: int
    expected: int
    down: tuple[str, ...]
    since: float | None  #: when the first was missing (Unix seconds)

    @property
    def missing(self) -> int:
        return max(0, self.expected - self.now)


def up_pods(evidence: Evidence) -> UpPods | None:
    """Expected are those that are asked, or that were up most of the hour before the trouble. None if never known."""
    history = evidence.histories.get("targets")
    values = {pod: dict(each) for pod, each in evidence.gauge("targets").items()}
    times = sorted({at for each in values.values() for at in each if at <= evidence.until})
    if history is None or not times:
        return None
    step = history.step.total_seconds()
    last = evidence.until // step * step
    up = {at: sum(1 for each in values.values() if each.get(at, 0) > 0) for at in times}
    newest = {pod: each.get(last, each.get(last - step)) for pod, each in values.items()}
    now = sum(1 for value in newest.values() if value)
    down = tuple(sorted(pod for pod, value in newest.items() if value == 0))
    before = sorted(up[at] for at in times if evidence.began - LOOKED_BACK <= at < evidence.began - step)
    expected = max(now + len(down), before[len(before) // 2] if before else 0)
    return UpPods(now, expected, down, _since(up, expected, last, step))


def _since(up: dict[float, int], expected: int, last: float, step: float) -> float | None:
    """The first step of the missing ones up to now."""
    at, found = last, None
    first = min(up)
    while at >= first and up.get(at, 0) < expected:
        found, at = at, at - step
    return found if found is not None and at >= first else None
