"""Which measurements, on whom, and where the figures go."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import click

from dev.bench import bert, context, recurrence
from dev.bench.measuring import MEASUREMENTS, QUICK, Figures, Size
from dev.compared_systems import SYSTEMS, chosen_systems

Results = dict[str, dict[str, Figures]]
USUAL = ("ingest", "latency", "storm")
OWN = {"bert": bert.measure, "context": context.measure, "recurrence": recurrence.measure}  #: of one


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("what", nargs=-1, type=click.Choice([*MEASUREMENTS, *OWN]))
@click.option("--quick", is_flag=True, help="Smaller, about two minutes.")
@click.option("--only", type=click.Choice(SYSTEMS), help="Leave the other one out.")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="The figures, too.")
def main(what: tuple[str, ...], quick: bool, only: str | None, target: Path | None) -> None:
    """Measure the bridge and Alertmanager's own receivers, one after the other, against the same sinks.

    `bert` measures one replica of the toxicity API beside its own model in a plain loop, and `context` how long a
    page takes, also the first of a new bridge, while Prometheus is well, slow, silent, wrong or gone. `recurrence`
    measures how long it takes to find what happened before among 100,000 incidents.
    """
    results: Results = {}
    for measurement in what or USUAL:
        own = OWN.get(measurement)
        results[measurement] = own(quick) if own else _measure(measurement, quick, only)
        click.echo(table(measurement, results[measurement]))
    if target is not None:
        machine = {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        }
        target.write_text(json.dumps({"machine": machine, "results": results}, indent=1), encoding="utf-8")


def _measure(measurement: str, quick: bool, only: str | None) -> dict[str, Figures]:
    size = QUICK if quick else Size()
    return {system: MEASUREMENTS[measurement](system, size) for system in chosen_systems(only)}


def table(measurement: str, by_system: dict[str, Figures]) -> str:
    """One line for each figure, one column for each system."""
    names = list(dict.fromkeys(name for figures in by_system.values() for name in figures))
    lines = ["", f"{measurement:32}" + "".join(f"{system:>14}" for system in by_system)]
    for name in names:
        values = (figures.get(name, float("nan")) for figures in by_system.values())
        lines.append(f"  {name:30}" + "".join(f"{value:14,.2f}" for value in values))
    return "\n".join(lines)
