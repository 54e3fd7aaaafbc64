"""Each measurement some times, the systems in turn: A B A B A B, so that what disturbs the machine disturbs both."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from dev.bench import apart, pages, starting
from dev.bench.measuring import MEASUREMENTS, Figures, Size

ROUNDS = 3
Runs = dict[str, dict[str, list[Figures]]]  #: measurement -> system -> each run
Say = Callable[[str], None]
BESIDE = ("storm", "latency", "ingest", "start")  #: that Alertmanager does, too


def _once(measure: Callable[[str, Size], Figures]) -> Callable[[str, Size], list[Figures]]:
    return lambda name, size: [measure(name, size)]


RUNS: dict[str, Callable[[str, Size], list[Figures]]] = {
    **{name: _once(MEASUREMENTS[name]) for name in ("storm", "latency", "ingest")},
    "start": _once(starting.start),
    "commands": _once(starting.commands),
    "recovery": starting.recovery,  # restarts several times by itself
    "pages": _once(pages.pages),
    "postgresql": _once(apart.postgresql),
}


def run(chosen: Sequence[str], systems: Sequence[str], size: Size, rounds: int, say: Say) -> Runs:
    """say: is given a line before each run."""
    runs: Runs = {}
    for measurement in chosen:
        measured = [each for each in systems if each == "bridge" or measurement in BESIDE]
        runs[measurement] = {system: [] for system in measured}
        for number in range(1 if measurement == "recovery" else rounds):
            for system in measured:
                say(f"{measurement} {number + 1}: {system}")
                runs[measurement][system] += RUNS[measurement](system, size)
    return runs


def median(runs: Sequence[Figures], figure: str) -> float:
    return statistics.median(each[figure] for each in runs)


def faults(runs: Runs) -> dict[str, float]:
    """How many were lost, doubled and refused, of each measurement and system where any were."""
    counted = {
        f"{measurement}, {system}: {figure.rpartition(': ')[2]}": sum(each[figure] for each in found)
        for measurement, systems in runs.items()
        for system, found in systems.items()
        for figure in found[0]
        if figure.rpartition(": ")[2] in ("lost", "doubled", "refused")
    }
    return {name: count for name, count in counted.items() if count}
