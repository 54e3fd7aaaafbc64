"""python -m stack: up, tools, tool, render. Mostly called by the Makefile."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from stack import binaries, ports, render
from stack.errors import StackError
from stack.places import Places
from stack.terminal import Terminal
from stack.up import up as run_up


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the whole story on this machine, without Docker and without root."""


@main.command()
def up() -> None:
    """Start everything and stay until Ctrl-C.

    UP_PROMETHEUS_PORT=9190 and the like choose other ports; UP_TRAFFIC=0 sends nothing to the toxicity API.
    """
    _or_explain(lambda: run_up(Places(), Terminal()))


@main.command()
def tools() -> None:
    """Fetch Prometheus and Alertmanager into .tools when they are not on PATH."""
    _or_explain(lambda: binaries.ensure(click.echo))


@main.command()
@click.argument("name")
def tool(name: str) -> None:
    """Say where a tool is."""
    _or_explain(lambda: click.echo(binaries.find(name)))


@main.command("render")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def render_files(folder: Path) -> None:
    """Write the configuration of Prometheus and Alertmanager as this machine would use it."""
    _or_explain(lambda: render.write_monitoring(folder, ports.Ports(), Places()))


def _or_explain(action: Callable[[], object]) -> None:
    try:
        action()
    except StackError as fault:
        click.echo(str(fault), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m stack")
