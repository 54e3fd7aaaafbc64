"""`bridge backup` and `bridge restored`: the two ends of a copy of the database. The whole way: docs/operating.md."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli_options import DATABASE
from bridge.store import back_up, distrust, open_database


@click.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@DATABASE
def backup(target: Path, database: str) -> None:
    """Copy SQLite's database into a new FILE while the bridge runs."""
    try:
        size = back_up(database, target)
    except (ValueError, OSError) as fault:
        raise click.ClickException(str(fault)) from None
    click.echo(f"{target}: {size:,} bytes, whole. To use it: stop the bridge, put it in place, `bridge restored`.")


@click.command()
@DATABASE
@click.option(
    "--skip-numbers",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Incident numbers that may have been given since the backup; they are not given again.",
)
def restored(database: str, skip_numbers: int) -> None:
    """Say that the database comes from a backup, once, before the bridge starts on it."""
    marked = distrust(open_database(database), skip_numbers)
    click.echo(f"{marked} waiting messages may have been sent already, and are looked for before they are sent.")
    click.echo(f"{skip_numbers} incident numbers are left out.")
