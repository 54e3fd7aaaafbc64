"""The commands. Each does its work elsewhere; here are only options and words."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from bridge import __version__, lifeline
from bridge.cli_options import DATABASE, HANG, LISTEN
from bridge.core.errors import BridgeError, StoreUnusable

CONFIG = click.option("--config", envvar="BRIDGE_CONFIG", default="routes.yaml", show_default=True, help="The routing.")

#: Where the commands are that live elsewhere. Each process carries only what its own command imports: that
#: is a third of its memory, and most of the time to start.
ELSEWHERE = {
    "backup": "bridge.cli_database:backup",
    "check": "bridge.cli_config:check",
    "route": "bridge.cli_config:route",
    "schema": "bridge.cli_config:schema",
    "hash-password": "bridge.cli_config:hash_password",
    "incidents": "bridge.cli_incidents:incidents",
    "preview": "bridge.cli_messages:preview",
    "restored": "bridge.cli_database:restored",
    "send-test": "bridge.cli_messages:send_test",
}


class Commands(click.Group):
    """Imports a command when it is asked for: https://click.palletsprojects.com/en/stable/complex/#lazily-loading-subcommands

    What a user can put right is said in words and never shown as a traceback, whichever command it was.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StoreUnusable as fault:
            raise click.UsageError(str(fault)) from fault
        except BridgeError as fault:
            raise click.ClickException(str(fault)) from fault

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = ELSEWHERE.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.pass_context
def main(context: click.Context) -> None:
    """Alertmanager's notifications to PagerDuty, email and Slack; nothing lost, nobody paged twice."""
    context.obj = {"check_templates": _check_templates, "environ": os.environ}


def _check_templates(folder: Path | None) -> Iterable[str]:
    from bridge.render import check_templates

    return check_templates(folder)


@main.command()
@CONFIG
@DATABASE
@LISTEN
@HANG
def serve(config: str, database: str, listen: str, hang_timeout: float) -> None:
    """Web and worker on this machine, each restarted if it dies or hangs."""
    from bridge import supervisor

    sys.exit(supervisor.serve(config, database, listen, hang_timeout))


@main.command()
@CONFIG
@DATABASE
@LISTEN
@click.option("--reload-parent", is_flag=True, hidden=True, help="Pass POST /-/reload on to the supervisor.")
def web(config: str, database: str, listen: str, reload_parent: bool) -> None:
    """Only the half that takes notifications in and shows the pages."""
    parent = os.getppid()
    beat = lifeline.tied(os.environ, lifeline.GRACE_SECONDS["web"])  # before what may take long
    from bridge.serving import explained
    from bridge.web_process import run_web

    with explained(config):
        run_web(
            Path(config),
            database,
            listen,
            after_reload=(lambda: os.kill(parent, signal.SIGHUP)) if reload_parent else lambda: None,
            beat=beat,
        )


@main.command()
@CONFIG
@DATABASE
@click.option(
    "--beat-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Changed every second while the worker moves; for a liveness probe, where it runs without `bridge serve`.",
)
def worker(config: str, database: str, beat_file: Path | None) -> None:
    """Only the half that delivers."""
    try:
        beat = lifeline.tied(os.environ, lifeline.GRACE_SECONDS["worker"], beat_file)
    except OSError as fault:
        raise click.UsageError(f"the file of --beat-file cannot be written: {fault}") from None
    from bridge.serving import explained
    from bridge.worker_process import run_worker

    with explained(config):
        run_worker(Path(config), database, beat)
