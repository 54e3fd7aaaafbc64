"""When trouble began, from what was measured before it. Pure.

An alert fires late: its rate rises first, and then `for` must pass. So its start is walked back from, to where the
values left their level from before. Invariant: without values from before the trouble the onset is not known.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.context.counts import Counts, errors_apart, summed, worse
from bridge.core.context.tables import WINDOW_STEPS

QUIET_STEPS = 10  #: so many steps from before the trouble are its comparison
EARLIEST, LATEST = 20 * 60.0, 5 * 60.0  #: around the alert's start the trouble was there
WIDTHS = (3, 8, 15)  #: steps in which it is looked for; the narrow ones are finer, the wide ones need less traffic
FEWEST = 8.0  #: bad ones in such a width
MOST_A_STEP = 3.0  #: of evidence, so that one step decides nothing
GIVEN_UP = 10.0  #: so much evidence against it ends the walk
UNDECIDED = 2.0  #: so little evidence does not move it further back
LEFT = 0.25  #: a value has left its level after this part of the way to the worst

STEADY_STEPS = 12  #: so long it was as it is, before it is distinguished from a rise
GAP = 5 * 60.0  #: so long without samples just before it, and it is anywhere in there

SCRAPES, CLOCKS = 15.0, 15.0  #: seconds that samples and clocks of machines are off

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Began:
    """When trouble began (Unix seconds), and by how many seconds it may have been otherwise."""

    at: float
    within: float


def onset_of_counts(steps: Sequence[tuple[float, Counts]], alert_at: float, step: float) -> Began | None:
    """None when it is unknown."""
    anchor = _anchor(steps, alert_at)
    if anchor is None:
        return None
    first, high = anchor, steps[anchor][1]
    high = summed(counts for _, counts in steps[max(0, anchor - 2) : anchor + 1])
    low = _quietest(steps[: anchor + 1])
    for _ in range(3):
        first = _walked_back([counts for _, counts in steps], anchor, low.ratio, high.ratio)
        before = summed(counts for _, counts in steps[: max(0, first - 2)])
        if before.all <= 0:
            return None
        low = before
    jump = _jump([counts for _, counts in steps[first : anchor + 1]])
    if jump is not None:
        first, low = first + jump, summed(counts for _, counts in steps[first : first + jump - 1])
    quiet = [counts for _, counts in steps[: max(0, first - 1)] if counts.all > 0]
    trouble = summed(counts for _, counts in steps[first : anchor + 1])
    if len(quiet) < QUIET_STEPS or errors_apart(trouble, low) < 3 or trouble.ratio < 1.5 * low.ratio:
        return None
    if steps[first][0] - steps[first - 1][0] > GAP:
        return None
    return _within_the_step([counts for _, counts in steps[first : anchor + 1]], steps[first], low, step)


def _jump(trouble: Sequence[Counts]) -> int | None:
    """Where small trouble that had been steady for long became far worse: what the alert is about began there."""
    for at in range(STEADY_STEPS, len(trouble) - 1):
        mild, half = trouble[: at - 1], (at - 1) // 2
        former, latter = summed(mild[:half]), summed(mild[half:])
        steady = latter.ratio <= 1.5 * max(former.ratio, 1e-9) and latter.bad >= FEWEST
        after, beyond = summed(trouble[at : at + 3]), summed(trouble[at:])
        if steady and worse(after, latter) and worse(beyond, summed(mild)):
            return next(i for i in (at - 1, at) if _above(trouble[i], latter.ratio) or i == at)
    return None


def _within_the_step(trouble: Sequence[Counts], first: tuple[float, Counts], low: Counts, step: float) -> Began:
    """From how much of the first windows the trouble fills; few bad ones or a slow rise tell it less finely."""
    rising, risen = summed(trouble[:WINDOW_STEPS]), summed(trouble[WINDOW_STEPS : WINDOW_STEPS + 4])
    height = (risen.ratio - low.ratio) * rising.all
    if risen.all <= 0 or height <= 0 or len(trouble) <= WINDOW_STEPS:
        return Began(first[0] - step / 2, step + CLOCKS)
    excess = rising.bad - low.ratio * rising.all
    at = first[0] + step * (0.5 - WINDOW_STEPS * excess / height)
    noise = WINDOW_STEPS * step * math.sqrt(max(1.0, rising.bad)) / height
    return Began(max(first[0] - step, min(first[0] + step / 2, at)), SCRAPES + CLOCKS + noise)


def _anchor(steps: Sequence[tuple[float, Counts]], alert_at: float) -> int | None:
    """The last step of the clearest trouble around the alert's start."""
    low = _quietest(steps)
    best, found = 3.0, None
    for index, (at, _) in enumerate(steps):
        if not alert_at - EARLIEST <= at <= alert_at + LATEST:
            continue
        for width in WIDTHS:
            window = summed(counts for _, counts in steps[max(0, index - width + 1) : index + 1])
            apart = errors_apart(window, low) if window.bad >= FEWEST else 0.0
            if apart > best and window.ratio >= 1.5 * low.ratio:
                best, found = apart, index
    return found


def _quietest(steps: Sequence[tuple[float, Counts]]) -> Counts:
    """The quieter half, in pieces of five steps."""
    pieces = [summed(counts for _, counts in steps[index : index + 5]) for index in range(0, len(steps), 5)]
    ordered = sorted((piece for piece in pieces if piece.all > 0), key=lambda piece: piece.ratio)
    return summed(ordered[: max(1, len(ordered) // 2)])


def _walked_back(counts: Sequence[Counts], anchor: int, low: float, high: float) -> int:
    """The first step of the trouble without a long pause until the anchor: a CUSUM backwards."""
    low = min(max(low, 1e-4), 0.98)
    middle = min(max(low + 0.5 * (high - low), 1.2 * low), 0.99)
    totals = [0.0]
    for each in reversed(counts[: anchor + 1]):
        evidence = each.bad * math.log(middle / low) + (each.all - each.bad) * math.log((1 - middle) / (1 - low))
        totals.append(totals[-1] + max(-MOST_A_STEP, min(MOST_A_STEP, evidence)))
        if totals[-1] < max(totals) - GIVEN_UP:
            break
    steps = next(index for index, total in enumerate(totals) if total >= max(totals) - UNDECIDED)
    first = anchor - max(0, steps - 1)
    while first > 0 and _above(counts[first - 1], low):  # a slow rise, or the first part of a window
        first -= 1
    return first


def _above(counts: Counts, low: float) -> bool:
    expected = counts.all * low
    return counts.bad >= 1.5 and counts.bad > expected + 3 * math.sqrt(expected + 0.25)


def left_level(points: Points, alert_at: float) -> float | None:
    """When a value left its level from before, upwards; None when it did not, or was not measured before."""
    known = [(at, value) for at, value in points if at <= alert_at + LATEST and math.isfinite(value)]
    around = [value for at, value in known if at >= alert_at - EARLIEST]
    if len(known) < QUIET_STEPS or not around:
        return None
    base = statistics.median(value for _, value in known)
    worst = max(around)
    limit = base + LEFT * (worst - base)
    if worst <= 1.3 * base:
        return None
    top = max(index for index, (_, value) in enumerate(known) if value == worst)
    first, quiet = top, 0
    for index in range(top, -1, -1):
        quiet = quiet + 1 if known[index][1] <= limit else 0
        if quiet >= 3:
            break
        first = index if not quiet else first
    if first < QUIET_STEPS or known[first][0] - known[first - 1][0] > GAP:
        return None
    return known[first][0]
