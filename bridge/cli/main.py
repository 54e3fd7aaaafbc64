"""The `bridge` command group: options and help texts; the work is done elsewhere."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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
)
from bridge.processes import lifeline

#: Commands that are imported on demand. Each process then loads only what its command needs: that saves a third of
#: its memory, and most of its start-up time.
ELSEWHERE = {
    "backup": "bridge.cli.database:backup",
    "check": "bridge.cli.check:check",
    "route": "bridge.cli.config:route",
    "schema": "bridge.cli.config:schema",
    "hash-password": "bridge.cli.config:hash_password",
    "incidents": "bridge.cli.incidents:incidents",
    "preview": "bridge.cli.messages:preview",
    "restored": "bridge.cli.database:restored",
    "send-test": "bridge.cli.messages:send_test",
}


class Commands(click.Group):
    """Imports commands on demand: https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands"""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = ELSEWHERE.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        from bridge.observability import logs

        logs.configure_for_command()
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

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


def _check_templates(folder: Path | None) -> Iterable[str]:
    from bridge.rendering.renderer import check_templates

    return check_templates(folder)


@main.command()
@config_option
@database_option
@listen_option
@hang_option
def serve(config: str, database: str, listen: str, hang_timeout: float) -> None:
    """Web and worker on this machine, each restarted if it dies or hangs."""
    from bridge.app import supervisor

    sys.exit(supervisor.serve(config, database, listen, hang_timeout))


@main.command()
@config_option
@database_option
@listen_option
@click.option("--reload-parent", is_flag=True, hidden=True, help="Pass POST /-/reload on to the supervisor.")
def web(config: str, database: str, listen: str, reload_parent: bool) -> None:
    """Only the process that receives webhooks and serves the pages."""
    parent = os.getppid()
    beat = lifeline.tied(os.environ, lifeline.GRACE_SECONDS["web"])  # before anything that may take long
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
    from bridge.app.reload import explained
    from bridge.app.worker_process import run_worker

    with explained(config):
        run_worker(Path(config), database, beat, metrics_listen)
