"""python -m dev.stack: up, drill, tools, tool, render. Mostly called by the Makefile."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import click

from dev.stack import binaries, drill_screen, ports, render, speed
from dev.stack import drill as drilling
from dev.stack.drill_scenarios import Drill
from dev.stack.drill_start import started
from dev.stack.drill_watching import running_site
from dev.stack.errors import StackError
from dev.stack.places import Places
from dev.stack.terminal import Terminal
from dev.stack.up import up as run_up

PRIVATE = 0o077  #: umask: the files of a run contain alerts, mails and keys
FOLDER = click.Path(path_type=Path, file_okay=False, resolve_path=True)
RUN = click.option("--run", type=FOLDER, default=Places().run, help="The folder for all files of a run.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the whole stack on this machine, without Docker and without root."""


@main.command()
@RUN
def up(run: Path) -> None:
    """Start everything and stay until Ctrl-C.

    SPEED=1 is real time, SPEED=30 (which is usual) divides every duration of the rules. UP_PROMETHEUS_PORT=9190 and
    the like choose other ports; UP_TRAFFIC=0 sends nothing to the toxicity API.
    """
    os.umask(PRIVATE)
    _or_explain(lambda: run_up(Places(run), Terminal()))


@main.command()
@click.argument("scenario")
@click.option("--alert", default="", envvar="ALERT", help="Another alert of the scenario than its first.")
@click.option("--start", is_flag=True, help="Start a stack of its own, on free ports, and end it afterwards.")
@RUN
def drill(scenario: str, alert: str, start: bool, run: Path) -> None:
    """Make the API misbehave until its alert is notified, then watch it resolve. `list` shows the scenarios.

    Exit status: 0 when every step was seen, 1 when one timed out, 130 after Ctrl-C (the fault is undone then).
    """
    if scenario == "list":
        click.echo(drill_screen.listed())
        return
    os.umask(PRIVATE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _or_explain(lambda: _drill(drilling.chosen(scenario, alert), start, Places(run)))
    except KeyboardInterrupt:
        click.echo("Interrupted; the fault is undone.", err=True)
        sys.exit(130)


def _drill(chosen: Drill, start: bool, places: Places) -> None:
    screen = drill_screen.Screen()
    with started() if start else nullcontext(places) as there:
        drilling.run(chosen, running_site(there), screen)
    screen.end(f"It worked: {chosen.alert} fired, was notified, and resolved.")


@main.command()
def tools() -> None:
    """Fetch Prometheus, Alertmanager and nginx into .tools when they are not on PATH."""
    _or_explain(lambda: binaries.ensure(click.echo))


@main.command()
@click.argument("name")
def tool(name: str) -> None:
    """Print a tool's path."""
    _or_explain(lambda: click.echo(binaries.find(name)))


@main.command("render")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def render_files(folder: Path) -> None:
    """Write the configuration of Prometheus and Alertmanager for this machine."""
    tempo = speed.Tempo(1)
    _or_explain(lambda: render.write_monitoring(folder, ports.Ports(), Places(), tempo))


def _or_explain(action: Callable[[], object]) -> None:
    try:
        action()
    except StackError as fault:
        click.echo(str(fault), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m dev.stack")
