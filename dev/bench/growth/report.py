"""The growth as a table and a picture; what is not flat is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.bench.growth.measuring import SIZE, Results

PICTURE = Path(__file__).parents[3] / "docs" / "images" / "growth.png"
STEEP = 2.0  #: times the cost at the smallest size
COLOURS = 10  #: that matplotlib has before it begins again
NOTICED = 5.0  #: milliseconds of CPU below which nothing is steep


def table(results: Results) -> str:
    """Markdown: one line for each operation, CPU and clock in milliseconds."""
    columns = [(database, size) for database, sizes in results.items() for size in sizes]
    names = dict.fromkeys(name for database, size in columns for name in results[database][size])
    head = ["CPU / clock, ms", *(f"{database}, {int(size):,}" for database, size in columns)]
    lines = [head, ["---"] * len(head)]
    lines += [[name, *(cell(results[one][size].get(name)) for one, size in columns)] for name in names if name != SIZE]
    lines.append(["size, MB", *(f"{results[one][size][SIZE]:,.0f}" for one, size in columns)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(cost: Mapping[str, float] | None) -> str:
    if cost is None:
        return "–"
    return f"{number(cost['cpu'])} / {number(cost['wall'])}" if cost["cpu"] else number(cost["wall"])


def number(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def steep(results: Results) -> list[str]:
    """What costs more at the largest size than at the smallest, beyond what a measurement wavers."""
    found = []
    for database, sizes in results.items():
        first, *_, last = (sizes[size] for size in sorted(sizes, key=int)) if len(sizes) > 1 else (None, None)
        if first is None or last is None:
            continue
        found += [f"{database}: {name}" for name in first if name != SIZE and _is_steep(first[name], last.get(name))]
    return found


def _is_steep(first: Mapping[str, float], last: Mapping[str, float] | None) -> bool:
    return last is not None and last["cpu"] > NOTICED and last["cpu"] > STEEP * first["cpu"]


def text(results: Results) -> str:
    found = steep(results)
    said = (
        f"More than {STEEP:g} times the CPU at the largest size: {'; '.join(found)}."
        if found
        else f"Nothing takes {STEEP:g} times the CPU at the largest size that it takes at the smallest."
    )
    return f"{table(results)}\n\n![CPU of each operation by the number of incidents](images/{PICTURE.name})\n\n{said}"


def draw(results: Results, file: Path = PICTURE) -> None:
    """CPU of each operation by the number of incidents, both axes logarithmic: a flat line is what is wanted."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), dpi=100, layout="constrained")
    axes = figure.subplots(1, len(results), sharey=True, squeeze=False)[0]
    for one, (database, sizes) in zip(axes, results.items(), strict=True):
        one.set(title=database, xscale="log", yscale="log", xlabel="incidents of a year")
        one.grid(visible=True, alpha=0.3)
        for place, name in enumerate(_drawn(sizes)):
            known = sorted((int(size), found[name]["cpu"]) for size, found in sizes.items() if name in found)
            style = "-" if place < COLOURS else "--"
            one.plot(*zip(*known, strict=True), style, marker="o", linewidth=1.2, markersize=3, label=name)
    axes[0].set_ylabel("CPU, ms")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8, frameon=False)
    figure.savefig(file, metadata={"Software": None})


def _drawn(sizes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What has CPU, of any size."""
    first = next(iter(sizes.values()))
    return [name for name, cost in first.items() if name != SIZE and cost["cpu"]]
