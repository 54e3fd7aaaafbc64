"""`bridge backup` and `bridge restored`: see docs/operating.md for the whole procedure."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli.options import database_option, until_the_end
from bridge.store import back_up, mark_restored, open_restored


@click.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@database_option
def backup(target: Path, database: str) -> None:
    """Copy SQLite's database into a new FILE while the bridge runs."""
    try:
        size = back_up(database, target)
    except ValueError as fault:
        raise click.ClickException(str(fault)) from None
    click.echo(f"{target}: {size:,} bytes, complete. To use it: stop the bridge, put it in place, `bridge restored`.")


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@database_option
@click.option(
    "--skip-numbers",
    type=click.IntRange(0, 1_000_000),
    default=1000,
    show_default=True,
    help="Incident numbers that may have been used since the backup; they are not used again.",
)
def restored(file: Path | None, database: str, skip_numbers: int) -> None:
    """Mark the database (or the SQLite FILE) as restored from a backup, once, before the bridge starts."""
    engine = until_the_end(open_restored(f"sqlite:///{file}" if file else database))
    marked = mark_restored(engine, skip_numbers)
    click.echo(f"{marked} waiting messages may have been sent already; the bridge checks before it sends them.")
    click.echo(f"{skip_numbers} incident numbers are left out.")
