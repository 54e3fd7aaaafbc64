"""python -m dev.drills [NAME...]: is the right cause named? `make drills` runs all and keeps the score."""

from __future__ import annotations

import sys
import time

import click

from dev.drills import report
from dev.drills.judging import enough
from dev.drills.running import run
from dev.drills.scenario import load
from dev.stack.errors import StackError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1)
@click.option("--show", is_flag=True, help="The whole messages, too.")
@click.option(
    "--poorly", is_flag=True, help="Against a Prometheus that knows less: rules without a past, half the scrapes."
)
@click.option("--list", "listed", is_flag=True, help="The drills that there are.")
@click.option("--pictures", is_flag=True, help="Only take the pictures of docs/images anew, of some drills' messages.")
@click.option("--keep", is_flag=True, help="Write the score to docs/messages.md; only with all drills.")
def main(names: tuple[str, ...], show: bool, poorly: bool, listed: bool, pictures: bool, keep: bool) -> None:
    """Run the drills NAME..., or all. Exit status 1: fewer than nine of ten passed, or one was dangerous."""
    try:
        scenarios = load(names)
        if listed:
            click.echo("\n".join(report.overview(scenarios)))
            return
        if pictures:
            from dev.drills import pictures as taking  # with a browser, which nothing else needs

            taking.take(taking.FOLDER, _progress)
            return
        if keep and (names or poorly):
            raise StackError("--keep needs all drills, and not --poorly: name none.")
        began = time.monotonic()
        results = run(scenarios, _progress, poorly=poorly)
    except StackError as fault:
        click.echo(str(fault), err=True)
        sys.exit(2)
    click.echo("\n".join(report.lines(results, show)))
    click.echo(f"It took {time.monotonic() - began:.0f} s.", err=True)
    if keep:
        report.write(results)
    sys.exit(0 if enough([each.judgement for each in results]) else 1)


def _progress(text: str) -> None:
    click.echo(f"   {text}", err=True)


if __name__ == "__main__":
    main()
