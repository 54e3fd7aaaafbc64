"""Which measurements, on whom, and where the figures go."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import click

from dev.bench import bert, context, keeping, recurrence
from dev.bench.comparing import bench_check, table
from dev.bench.growth.command import growth
from dev.bench.machine import machine
from dev.bench.measuring import MEASUREMENTS, QUICK, Figures, Size
from dev.bench.peers.command import peers
from dev.bench.rounds import RUNS
from dev.bench.scaling import scaling
from dev.compared_systems import SYSTEMS, chosen_systems

Measured = dict[str, Figures]  #: of each system
OWN: dict[str, Callable[[bool], Measured]] = {
    "bert": bert.measure,
    "context": context.measure,
    "recurrence": recurrence.measure,
}
HELP = {
    "ingest": "Posts that are accepted while those before are being delivered.",
    "latency": "From the post to the vendors, at 50 groups a second.",
    "storm": "Everything at once.",
    "outage": "Every vendor refuses everything for a while.",
    "start": "From the start of a process until it is ready, and until its first page.",
    "commands": "`bridge --help` and `bridge route`.",
    "recovery": "Started again after kill -9 with many incidents waiting.",
    "pages": "The home page with many incidents, and that of an incident with many alerts.",
    "postgresql": "The storm with two webs and two workers on PostgreSQL.",
    "bert": "One replica of the toxicity API beside its own model in a plain loop.",
    "context": "How long a page takes while Prometheus is well, slow, silent, wrong or gone.",
    "recurrence": "What happened before, among 100,000 incidents.",
}


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(asked: click.Context) -> None:
    """Measure the bridge and Alertmanager's own receivers, in turn, against the same sinks. Alone: the whole table."""
    if asked.invoked_subcommand is None:
        asked.invoke(table)


def _command(name: str) -> click.Command:
    quick = click.Option(["--quick"], is_flag=True, help="Smaller.")
    only = click.Option(["--only"], type=click.Choice(SYSTEMS), help="Leave the other one out.")
    target = click.Option(["--json", "target"], type=click.Path(dir_okay=False, path_type=Path), help="Figures, too.")
    options: list[click.Parameter] = [quick, target] if name in OWN else [quick, only, target]
    return click.Command(name, callback=functools.partial(_run, name), params=options, help=HELP[name])


def _run(name: str, quick: bool, target: Path | None, only: str | None = None) -> None:
    before = machine()
    own = OWN.get(name)
    measured = own(quick) if own else _of_each(name, QUICK if quick else Size(), only)
    click.echo(columns(name, measured))
    if target is not None:
        keeping.write(target, {"machine": before, name: measured})


def _of_each(name: str, size: Size, only: str | None) -> Measured:
    """Only the last of several."""
    if name in MEASUREMENTS:
        return {system: MEASUREMENTS[name](system, size) for system in chosen_systems(only)}
    systems = chosen_systems(only) if name == "start" else ["bridge"]
    return {system: RUNS[name](system, size)[-1] for system in systems}


def columns(measurement: str, by_system: Measured) -> str:
    """One line for each figure, one column for each system."""
    names = list(dict.fromkeys(name for figures in by_system.values() for name in figures))
    lines = ["", f"{measurement:32}" + "".join(f"{system:>14}" for system in by_system)]
    for name in names:
        values = (figures.get(name, float("nan")) for figures in by_system.values())
        lines.append(f"  {name:30}" + "".join(f"{value:14,.2f}" for value in values))
    return "\n".join(lines)


for each in (table, bench_check, growth, peers, scaling, *map(_command, dict.fromkeys([*MEASUREMENTS, *RUNS, *OWN]))):
    main.add_command(each)
