"""Has the bridge become more expensive? Its CPU a notification, as a multiple of Alertmanager's in the same minute.

A multiple and no time, so that a slow or busy machine says the same; CPU and not the clock; medians of rounds in which
the two take turns. What exceeds the stored ratio is measured again before it counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dev.bench.keeping import keep, kept
from dev.bench.machine import machine
from dev.bench.measuring import Size, storm

GROUPS = 600  #: of the small storm
ROUNDS, MORE_ROUNDS = 3, 2
LONGEST = 65.0  #: seconds after which no further round begins
ALLOWED = 1.2  #: times the stored ratio
FIGURE = "CPU ms per notification"
NAME = "regression"  #: of the file
ADVICE = """\
CPU a notification is {ratio:.2f} times Alertmanager's ({own:.2f} and {other:.2f} ms). The stored ratio is {stored:.2f},
and {limit:.2f} the most. Find out what costs more: docs/performance.md, "To find out what costs". If the cost is
meant, store the new ratio with its reason, which the change then shows:
  python -m dev.bench regression --store "each message now ..." """


@dataclass
class Rounds:
    """Milliseconds of CPU a notification."""

    own: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return statistics.median(self.own) / statistics.median(self.other)


Measure = Callable[[str], float]


def measured(name: str) -> float:
    return storm(name, Size(storm_groups=GROUPS))[FIGURE]


def measure(limit: float | None, one: Measure = measured, clock: Callable[[], float] = time.monotonic) -> Rounds:
    """limit: the highest ratio that needs no further round; None: no round is added."""
    rounds, began = Rounds(), clock()
    for number in range(ROUNDS + MORE_ROUNDS):
        if number >= ROUNDS and (limit is None or rounds.ratio <= limit or clock() - began > LONGEST):
            break
        rounds.own.append(one("bridge"))
        rounds.other.append(one("alertmanager"))
    return rounds


def limit_of(stored: float) -> float:
    return stored * ALLOWED


def fault(rounds: Rounds, stored: float) -> str | None:
    """What to do, where the ratio is too high."""
    if rounds.ratio <= limit_of(stored):
        return None
    own, other = statistics.median(rounds.own), statistics.median(rounds.other)
    return ADVICE.format(ratio=rounds.ratio, own=own, other=other, stored=stored, limit=limit_of(stored))


def stored_ratio() -> float:
    return float(kept(NAME)["ratio"])


def store(rounds: Rounds, reason: str) -> None:
    content: dict[str, Any] = {"ratio": rounds.ratio, "reason": reason, "groups": GROUPS, "machine": machine()}
    keep(NAME, {**content, "bridge_ms": rounds.own, "alertmanager_ms": rounds.other})


def described(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ms ({min(values):.2f}–{max(values):.2f})"
