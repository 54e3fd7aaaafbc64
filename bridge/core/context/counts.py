"""How many of how many, and whether chance explains a difference. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

#: Below this nothing is said of a part: 2 of 27 at night is no evidence.
MIN_BAD, MIN_ALL = 10.0, 30.0
#: Two proportions differ by so many standard errors, or chance may explain it: one in 15,000.
SIGNIFICANT = 4.0
#: A part that is only somewhat worse is no cause.
TIMES_WORSE = 2.5
#: Less will do where the other part did not move: of texts, some are always judged toxic.
TIMES_CLEARLY, CLEARLY, UNMOVED, MIN_BEFORE = 1.5, 6.0, 1.25, 100.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Bad ones, and all."""

    bad: float = 0.0
    all: float = 0.0

    @property
    def ratio(self) -> float:
        return self.bad / self.all if self.all > 0 else 0.0

    @property
    def enough(self) -> bool:
        """To say that this part is bad."""
        return self.bad >= MIN_BAD and self.all >= MIN_ALL

    @property
    def words(self) -> str:
        """`54 of 100`."""
        return f"{round(self.bad):,} of {max(round(self.all), round(self.bad)):,}"


def summed(counts: Iterable[Counts]) -> Counts:
    every = list(counts)
    return Counts(sum(each.bad for each in every), sum(each.all for each in every))


def worse(one: Counts, other: Counts) -> bool:
    """One is far worse than the other, by more than chance: both have enough, and a two-proportion test says so."""
    if not one.enough or other.all < MIN_ALL:
        return False
    return one.ratio >= TIMES_WORSE * other.ratio and errors_apart(one, other) >= SIGNIFICANT


def stands_out(one: Counts, other: Counts, before: Counts) -> bool:
    """Far worse than the other; or clearly worse, while the other is as everything was before the trouble."""
    if worse(one, other):
        return True
    unmoved = before.all >= MIN_BEFORE and other.ratio <= UNMOVED * before.ratio
    clearly = one.ratio >= TIMES_CLEARLY * other.ratio and errors_apart(one, other) >= CLEARLY
    return unmoved and clearly and one.enough and other.all >= MIN_ALL


def alike(one: Counts, other: Counts) -> bool:
    """Both have the trouble, by enough of each; to be not worse is less than that."""
    low, high = sorted((one, other), key=lambda counts: counts.ratio)
    return min(one.all, other.all) >= MIN_ALL and low.bad >= MIN_BAD / 2 and high.ratio <= TIMES_WORSE * low.ratio


def errors_apart(one: Counts, other: Counts) -> float:
    """The difference of the ratios in standard errors; positive when the first is larger."""
    both = summed((one, other))
    if one.all <= 0 or other.all <= 0 or both.bad <= 0:
        return 0.0
    spread = both.ratio * max(1 - both.ratio, 1 / both.all) * (1 / one.all + 1 / other.all)
    return (one.ratio - other.ratio) / math.sqrt(spread)
