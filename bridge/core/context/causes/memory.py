"""Memory of a pod: a leak or a step, and when it is full.

Claim: it grows steadily (a leak), or rose within minutes (a step). Evidence: the pod's own history since it last
started, at least half an hour. Refuted: neither shape fits. Likely for a leak, whose shape is the evidence, and for a
step that coincides with a change; a step alone is possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from bridge.core.context.causes.traffic import rise_of
from bridge.core.context.causes.wording import ago, change_words, claim, listed
from bridge.core.context.evidence import MINUTE, SKEW, Evidence
from bridge.core.facts import Confidence, Hypothesis, Unit
from bridge.core.numbers import in_words, shown, times

Points = list[tuple[float, float]]
DROP = 0.6  #: below this part of the value before, the pod has started again
GROWN = 0.08  #: of the limit
STRAIGHT = 0.93  #: of the variance is explained by a straight line
ABOUT = 0.005
FULL = 0.9
LONG = 30 * MINUTE
SUDDEN = 10 * MINUTE
HIGH = 0.6  #: of the limit
LEAST = timedelta(minutes=1)  #: until it is full: below, it is
MORE_TRAFFIC = 1.8  #: times what was before
MOSTLY = 0.7  #: of the whole rise in so short a time is a step


@dataclass(frozen=True, slots=True)
class Growth:
    """Of one pod since it last started; ratios of the limit."""

    since: float  #: Unix seconds
    first: float
    now: float
    until: float
    an_hour: float
    leak: bool
    step_at: float | None

    @property
    def seconds(self) -> float:
        return self.until - self.since

    @property
    def full_in(self) -> timedelta | None:
        if not self.leak or self.an_hour <= 0 or self.now >= 1:
            return None
        return timedelta(hours=(1 - self.now) / self.an_hour)


def growth_of(points: Points) -> Growth | None:
    """Since it last started, or since it began to grow."""
    known = _since_start(points)
    if len(known) < 5:
        return None
    step_at, sudden = _steepest(known)
    rise = known[-1][1] - known[0][1]
    if rise >= GROWN and sudden >= MOSTLY * rise:
        return Growth(known[0][0], known[0][1], known[-1][1], known[-1][0], 0.0, False, step_at)
    grows = _growing(known)
    since = grows or known
    return Growth(since[0][0], since[0][1], since[-1][1], since[-1][0], _line(since)[0] * 3600, bool(grows), None)


def _growing(points: Points) -> Points:
    """The longest end of them that is about the straightest rising line; empty without one."""
    found: list[tuple[float, Points]] = []
    for first in range(0, len(points) - 5, 5):
        end = points[first:]
        slope, straight = _line(end)
        if end[-1][0] - end[0][0] < LONG or end[-1][1] - end[0][1] < GROWN:
            break
        if slope > 0 and straight >= STRAIGHT:
            found.append((straight, end))
    best = max((straight for straight, _ in found), default=0.0)
    return next((end for straight, end in found if straight >= best - ABOUT), [])


def memory_grows(evidence: Evidence) -> Hypothesis | None:
    if evidence.symptom is not None:
        return None
    known = {pod: [p for p in points if p[0] <= evidence.until] for pod, points in evidence.gauge("memory").items()}
    growths = {pod: growth for pod, points in known.items() if (growth := growth_of(points)) is not None}
    named = [pod for pod in growths if any(alert.get("pod") == pod for alert in evidence.about)]
    worst = max(named or growths, key=lambda pod: growths[pod].now, default=None)
    if worst is None:
        return None
    growth = growths[worst]
    if growth.now < HIGH:
        return None
    if growth.leak:
        return _leak(worst, growths, evidence)
    return _step(worst, growths, growth.step_at, evidence) if growth.step_at is not None else None


def trend_words(growth: Growth) -> str:
    """`full in about 15 min, grows 18 % an hour, 45 % 3 h ago`: what is cut off matters least."""
    full = growth.full_in
    words = [f"full in about {in_words(full)}"] if full is not None and LEAST <= full < timedelta(days=2) else []
    words += [f"grows {shown(growth.an_hour, Unit.RATIO)} an hour"] if growth.leak else []
    words += [f"{shown(growth.first, Unit.RATIO)} {in_words(timedelta(seconds=growth.seconds))} ago"]
    return ", ".join(words)


def times_full(points: Points, until: float) -> list[float]:
    """When it started again with its memory full (Unix seconds)."""
    pairs = pairwise(points)
    return [at for (_, full), (at, value) in pairs if full >= FULL and value < DROP * full and at <= until]


def _leak(pod: str, growths: dict[str, Growth], evidence: Evidence) -> Hypothesis:
    growth = growths[pod]
    leaking = [each for each, found in growths.items() if found.leak]
    observed = (
        f"memory of {_who(leaking, growths)} grows steadily: {shown(growth.now, Unit.RATIO)} now, {trend_words(growth)}"
    )
    rose, full = _traffic_rose(growth, evidence), growth.full_in
    what = rose or "a leak"
    short = f"{what}, memory full in about {in_words(full)}" if full is not None and full >= LEAST else what
    found = [observed, rose, _only(leaking, growths, evidence), _since_change(growth, evidence), _again(pod, evidence)]
    return claim("memory_leak", found, Confidence.LIKELY, short, "" if rose else "A leak: ")


def _traffic_rose(growth: Growth, evidence: Evidence) -> str:
    """`the traffic rose to 5 x (60/s) as it began`: then it is no leak."""
    rise = rise_of(evidence)
    if rise is None or rise.factor < MORE_TRAFFIC or abs(rise.at - growth.since) > 2 * SUDDEN:
        return ""
    return f"the traffic rose to {times(rise.factor)} ({shown(rise.now, Unit.PER_SECOND)}) as the growth began"


def _who(pods: list[str], growths: dict[str, Growth]) -> str:
    if len(pods) > 1 and len(pods) == len(growths):
        return f"all {len(pods)} pods"
    return listed(sorted(pods, key=lambda pod: -growths[pod].now))


def _again(pod: str, evidence: Evidence) -> str:
    """`it restarted with its memory full 2 times, the last 55 min ago`."""
    full = times_full(evidence.gauge("memory").get(pod, []), evidence.until)
    if not full:
        return ""
    often = f"{len(full)} times, the last" if len(full) > 1 else "once,"
    return f"{pod} restarted with its memory full {often} {ago(full[-1], evidence)} ago"


def _since_change(growth: Growth, evidence: Evidence) -> str:
    """`it began as 1.1.0 was deployed`, when the growth is as old as a change."""
    near = [c for c in evidence.changes if c.kind != "retraining" and abs(growth.since - evidence.since(c)) <= SUDDEN]
    return f"it began as {change_words(near[0])}" if near else ""


def _only(leaking: list[str], growths: dict[str, Growth], evidence: Evidence) -> str:
    """`only the pods of 1.1.0 do`, where a version tells them apart."""
    served = evidence.versions.pods(evidence.until)
    mine = {served.get(pod, "") for pod in leaking}
    others = {served.get(pod, "") for pod in growths if pod not in leaking}
    apart = bool(others) and "" not in mine | others and not mine & others
    return f"only the pods of {listed(sorted(mine))} do" if apart else ""


def _step(pod: str, growths: dict[str, Growth], at: float, evidence: Evidence) -> Hypothesis:
    growth = growths[pod]
    same = [each for each, g in growths.items() if g.step_at is not None and abs(g.step_at - at) <= SUDDEN]
    rose = f"rose from {shown(growth.first, Unit.RATIO)} to {shown(growth.now, Unit.RATIO)}"
    near = [c for c in evidence.changes if c.kind != "retraining" and -SKEW <= at - evidence.since(c) <= 2 * SUDDEN]
    when = f"{ago(at, evidence)} ago"
    deployed = next((f" as {change_words(c)}" for c in near if c.kind == "deploy" and c.version), "")
    observed = f"memory of {_who(same, growths)} {rose}{deployed or ' within minutes'}, {when}"
    other = f"{change_words(near[0])} just before" if near and not deployed else ""
    short = f"memory {rose}{deployed}" if near else f"a step {when}"
    likely = Confidence.LIKELY if near else Confidence.POSSIBLE
    return claim("memory_step", [observed, other], likely, short, "A step: ")


def _since_start(points: Points) -> Points:
    first = 0
    for index in range(1, len(points)):
        if points[index][1] < DROP * points[index - 1][1]:
            first = index
    return points[first:]


def _line(points: Points) -> tuple[float, float]:
    """The slope a second, and the share of the variance that the line explains."""
    count = len(points)
    middle, mean = sum(at for at, _ in points) / count, sum(value for _, value in points) / count
    spread = sum((at - middle) ** 2 for at, _ in points)
    both = sum((at - middle) * (value - mean) for at, value in points)
    height = sum((value - mean) ** 2 for _, value in points)
    if spread <= 0 or height <= 0:
        return 0.0, 0.0
    return both / spread, both**2 / (spread * height)


def _steepest(points: Points) -> tuple[float, float]:
    """When the steepest rise within SUDDEN began, and how high it was."""
    best, found, last = 0.0, points[0][0], 0
    for at, value in points:
        while points[last][0] < at - SUDDEN:
            last += 1
        if value - points[last][1] > best:
            best, found = value - points[last][1], points[last][0]
    low = next(value for at, value in points if at == found)
    flat = [at for at, value in points if found <= at <= found + SUDDEN and value <= low + 0.2 * best]
    return flat[-1], best
