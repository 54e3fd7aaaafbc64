"""write | verify: the only file here that touches the disk's dashboards from a command line."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dashboards import files

FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=files.FOLDER,
    help="Where the JSON is; docker/grafana/dashboards by default.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Make the Grafana dashboards from their Python, or check that they were made."""


@main.command()
@FOLDER
def write(folder: Path) -> None:
    """Write every dashboard's JSON, and take away the JSON of dashboards that are gone."""
    for path in files.write(folder):
        click.echo(f"written: {path.name}")


@main.command()
@FOLDER
def verify(folder: Path) -> None:
    """Fail when a JSON file is not what its Python says."""
    faults = files.verify(folder)
    for fault in faults:
        click.echo(fault, err=True)
    sys.exit(1 if faults else 0)
