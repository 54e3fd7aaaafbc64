"""The table: medians with their spread, the ratio to Alertmanager, and whether it is good enough."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Sequence

from dev.bench.lines import LINES, Judged, Line
from dev.bench.measuring import Figures, Size
from dev.bench.rounds import Runs, faults, median

HEAD = ("work", "bridge", "Alertmanager", "ratio", "hold", "aim", "")


def rows(runs: Runs, size: Size) -> list[tuple[str, ...]]:
    """One for each line that was measured."""
    return [_row(line, runs, size) for line in LINES if runs.get(line.measurement, {}).get("bridge")]


def _row(line: Line, runs: Runs, size: Size) -> tuple[str, ...]:
    systems = runs[line.measurement]
    own, other = systems["bridge"], systems.get("alertmanager", [])
    if line.judged is Judged.SQLITE:
        other = runs.get("storm", {}).get("bridge", [])
    ratio = median(own, line.figure) / median(other, line.figure) if other else None
    judged = median(own, line.figure) if line.judged is Judged.FIGURE else ratio
    beside = "–" if not other or line.judged is Judged.SQLITE else spread(other, line)
    return (
        line.work.format(**_sizes(size)),
        spread(own, line),
        beside,
        "–" if ratio is None else f"{ratio:.2f}" + (" of SQLite's" if line.judged is Judged.SQLITE else ""),
        _wanted(line, line.hold),
        _wanted(line, line.aim),
        verdict(line, judged),
    )


def _sizes(size: Size) -> dict[str, str]:
    named = {"storm": size.storm_groups, "waiting": size.waiting, "open": size.open_incidents, "alerts": size.alerts}
    return {name: f"{value:,}" for name, value in named.items()}


def spread(runs: Sequence[Figures], line: Line) -> str:
    """The median, and the least and the most in brackets."""
    values = [each[line.figure] for each in runs]
    least, middle, most = (f"{each:,.{line.digits}f}" for each in (min(values), statistics.median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({least}–{most})"


def _wanted(line: Line, value: float) -> str:
    return f"{value:,g}" if line.judged is Judged.FIGURE else f"{value:g} ×"


def verdict(line: Line, value: float | None) -> str:
    if value is None:
        return "?"
    reached = operator.ge if line.more_is_better else operator.le
    return "aim" if reached(value, line.aim) else "hold" if reached(value, line.hold) else "no"


def markdown(listed: Sequence[tuple[str, ...]]) -> str:
    lines = [HEAD, ("---",) * len(HEAD), *listed]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def plain(listed: Sequence[tuple[str, ...]]) -> str:
    """For a terminal."""
    every = [HEAD, *listed]
    widths = [max(len(row[column]) for row in every) for column in range(len(HEAD))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in every)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def counted(runs: Runs) -> str:
    """What went wrong, in one sentence."""
    found = faults(runs)
    if not found:
        return "Nothing was lost, doubled or refused in any run."
    return "Not everything arrived once: " + "; ".join(f"{name} {count:g}" for name, count in found.items()) + "."
