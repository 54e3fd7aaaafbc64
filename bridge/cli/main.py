"""The `bridge` command group: options and help texts; the work is done elsewhere."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import click

from bridge import __version__
from bridge.cli.exits import errors_as_messages
from bridge.cli.options import (
    ListenAddress,
    both_for_subcommands,
    config_option,
    database_option,
    hang_option,
    listen_option,
    workers_option,
)
from bridge.processes import lifeline
from bridge.processes.importing import without_collections


class Elsewhere(NamedTuple):
    place: str  #: module:name
    summary: str  #: in the list of commands


#: Commands that are imported on demand. Each process then loads only what its command needs: that saves a third of
#: its memory, and most of its start-up time.
ELSEWHERE = {
    "backup": Elsewhere("bridge.cli.database:backup", "Copy SQLite's database while the bridge runs."),
    "check": Elsewhere("bridge.cli.check:check", "Show every fault of the configuration and the rules."),
    "route": Elsewhere("bridge.cli.config:route", "Which routes match an alert, and who is notified."),
    "schema": Elsewhere("bridge.cli.config:schema", "JSON Schema of routes.yaml, for editors."),
    "hash-password": Elsewhere("bridge.cli.config:hash_password", "Hash a password for web.users."),
    "incidents": Elsewhere("bridge.cli.incidents:incidents", "List, show, acknowledge or resolve incidents."),
    "preview": Elsewhere("bridge.cli.messages:preview", "The exact message that a channel would get."),
    "restored": Elsewhere("bridge.cli.database:restored", "Mark the database as restored from a backup."),
    "send-test": Elsewhere("bridge.cli.messages:send_test", "Send one test message for real."),
}


class Commands(click.Group):
    """Imports commands on demand: https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands"""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = ELSEWHERE.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        with without_collections():
            from bridge.observability import logs

            module, _, name = place.place.partition(":")
            command: click.Command = getattr(importlib.import_module(module), name)
        logs.configure_for_command()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Imports none."""
        listed = {name: click.Command(name, short_help=command.summary) for name, command in ELSEWHERE.items()}
        click.Group(commands={**self.commands, **listed}).format_commands(ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        with errors_as_messages():
            return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@both_for_subcommands
@click.pass_context
def main(context: click.Context) -> None:
    """Alertmanager's notifications to PagerDuty, email and Slack; nothing lost, no one paged twice."""
    os.umask(0o077)  # files may contain alerts, addresses or keys
    context.obj = {"check_templates": _check_templates, "environ": os.environ}


def _check_templates(folder: Path) -> Iterable[str]:
    from bridge.rendering.renderer import check_templates

    return check_templates(folder)


@main.command()
@config_option
@database_option
@listen_option
@hang_option
@workers_option
def serve(config: str, database: str, listen: str, hang_timeout: float, workers: int) -> None:
    """Web and worker on this machine, each restarted if it dies or hangs."""
    from bridge.app import first_start

    sys.exit(first_start.serve(config, database, listen, hang_timeout, workers, main))


@main.command()
@config_option
@database_option
@listen_option
@click.option("--reload-parent", is_flag=True, hidden=True, help="Pass POST /-/reload on to the supervisor.")
def web(config: str, database: str, listen: str, reload_parent: bool) -> None:
    """Only the process that receives webhooks and serves the pages."""
    parent = os.getppid()
    beat = lifeline.tied(os.environ, lifeline.GRACE_SECONDS["web"])  # before anything that may take long
    with without_collections():
        from bridge.app.reload import explained
        from bridge.app.web_process import run_web

    with explained(config):
        run_web(
            Path(config),
            database,
            listen,
            after_reload=(lambda: os.kill(parent, signal.SIGHUP)) if reload_parent else lambda: None,
            beat=beat,
        )


@main.command()
@config_option
@database_option
@click.option(
    "--beat-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Touched every second while the worker makes progress; for a liveness probe without `bridge serve`.",
)
@click.option(
    "--metrics-listen",
    type=ListenAddress(),
    envvar="BRIDGE_METRICS_LISTEN",
    metavar="HOST:PORT",
    help="Serve /metrics and /-/healthy there, for a worker without `bridge serve`.",
)
def worker(config: str, database: str, beat_file: Path | None, metrics_listen: str | None) -> None:
    """Only the process that delivers."""
    try:
        beat = lifeline.tied(os.environ, lifeline.GRACE_SECONDS["worker"], beat_file)
    except OSError as fault:
        raise click.UsageError(f"the file of --beat-file cannot be written: {fault}") from None
    with without_collections():
        from bridge.app.reload import explained
        from bridge.app.worker_process import run_worker

    with explained(config):
        run_worker(Path(config), database, beat, metrics_listen)
