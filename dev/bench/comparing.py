"""The commands that compare: the table with its page, and the check of the stored ratio."""

from __future__ import annotations

import click

from dev.bench import keeping, page, regression, rounds
from dev.bench.lines import LINES
from dev.bench.machine import described, machine
from dev.bench.measuring import QUICK, Size
from dev.bench.rounds import ROUNDS, RUNS
from dev.bench.table import counted, markdown, plain, rows
from dev.compared_systems import chosen_systems


@click.command()
@click.argument("chosen", nargs=-1, type=click.Choice(list(RUNS)))
@click.option("--quick", is_flag=True, help="Smaller, about three minutes.")
@click.option("--rounds", "times", type=click.IntRange(1), default=ROUNDS, show_default=True)
@click.option("--write/--no-write", default=None, help="Into docs/performance.md; by default when all is measured.")
def table(chosen: tuple[str, ...], quick: bool, times: int, write: bool | None) -> None:
    """Every line, or those of the measurements that are named; about twelve minutes."""
    size, before, systems = QUICK if quick else Size(), machine(), chosen_systems(None)
    click.echo(described(before) + "\n", err=True)
    runs = rounds.run(chosen or tuple(RUNS), systems, size, times, lambda line: click.echo(line, err=True))
    found = rows(runs, size)
    click.echo(f"\n{plain(found)}\n\n{counted(runs)}")
    if write if write is not None else (not chosen and not quick and len(found) == len(LINES)):
        keeping.keep("table", {"machine": before, "runs": runs})
        page.write("bench", f"{described(before)} Medians of {times} runs.\n\n{markdown(found)}\n\n{counted(runs)}")
        click.echo(f"written into {page.PAGE}", err=True)


@click.command("regression")
@click.option("--store", "reason", metavar="REASON", help="Keep what is measured now as the ratio to compare with.")
def bench_check(reason: str | None) -> None:
    """Fail if the CPU a notification costs is 20 % above the stored multiple of Alertmanager's; about a minute."""
    if chosen_systems(None) == ("bridge",):
        click.echo("Skipped: without Alertmanager there is nothing to compare with.")
        return
    stored = None if reason else regression.stored_ratio()
    measured = regression.measure(None if stored is None else regression.limit_of(stored))
    own, other = regression.described(measured.own), regression.described(measured.other)
    click.echo(f"CPU a notification: bridge {own}, Alertmanager {other}, ratio {measured.ratio:.2f}.")
    if stored is None:
        regression.store(measured, reason or "")
    elif fault := regression.fault(measured, stored):
        raise click.ClickException(fault)
