"""`python -m dev.bench growth`."""

from __future__ import annotations

import click

from dev.bench import keeping, page
from dev.bench.databases import PLACES
from dev.bench.growth import report
from dev.bench.growth.measuring import SIZES, measure
from dev.bench.machine import described, machine


@click.command()
@click.option("--most", type=int, default=SIZES[-1], show_default=True, help="Leave larger sizes out.")
@click.option("--only", type=click.Choice(list(PLACES)), help="Leave the other database out.")
@click.option("--folder", type=click.Path(exists=True, file_okay=False), help="Has room for 6 GB; else the usual one.")
def growth(most: int, only: str | None, folder: str | None) -> None:
    """A year's history of up to a million incidents, and what everything costs then; about ten minutes.

    What is measured whole is written into docs/performance.md, with its picture.
    """
    before, sizes = machine(), [size for size in SIZES if size <= most]
    results = measure(sizes, [only] if only else list(PLACES), folder, lambda line: click.echo(line, err=True))
    click.echo(report.table(results))
    for found in report.steep(results):
        click.echo(f"not flat: {found}")
    if only is None and len(sizes) == len(SIZES):
        keeping.keep("growth", {"machine": before, "results": results})
        report.draw(results)
        page.write("growth", f"{described(before)}\n\n{report.text(results)}")
