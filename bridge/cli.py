"""The commands. Each does its work elsewhere; here are only options and words."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from bridge import __version__, logs
from bridge.cli_config import COMMANDS
from bridge.cli_incidents import incidents
from bridge.cli_messages import preview, send_test
from bridge.config import ConfigurationFaults
from bridge.core.errors import StoreUnavailable
from bridge.render import check_templates
from bridge.serving import LEVEL, run_web, run_worker
from bridge.supervisor import serve as supervise
from bridge.wiring import DEFAULT_DATABASE, DEFAULT_LISTEN

CONFIG = click.option("--config", envvar="BRIDGE_CONFIG", default="routes.yaml", show_default=True, help="The routing.")
DATABASE = click.option(
    "--database",
    envvar="BRIDGE_DATABASE_URL",
    default=DEFAULT_DATABASE,
    show_default=True,
    help="sqlite:///FILE or postgresql://... (a shared one for several machines).",
)
LISTEN = click.option("--listen", envvar="BRIDGE_LISTEN", default=DEFAULT_LISTEN, show_default=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.pass_context
def main(context: click.Context) -> None:
    """Alertmanager's notifications to PagerDuty, email and Slack; nothing lost, nobody paged twice."""
    context.obj = {"check_templates": check_templates, "environ": os.environ}


@main.command()
@CONFIG
@DATABASE
@LISTEN
def serve(config: str, database: str, listen: str) -> None:
    """Web and worker on this machine, each restarted if it dies."""
    logs.configure(LEVEL)
    sys.exit(supervise(config, database, listen))


@main.command()
@CONFIG
@DATABASE
@LISTEN
@click.option("--reload-parent", is_flag=True, hidden=True, help="Pass POST /-/reload on to the supervisor.")
def web(config: str, database: str, listen: str, reload_parent: bool) -> None:
    """Only the half that takes notifications in and shows the pages."""
    parent = os.getppid()
    with _explained(config):
        run_web(
            Path(config),
            database,
            listen,
            after_reload=(lambda: os.kill(parent, signal.SIGHUP)) if reload_parent else lambda: None,
        )


@main.command()
@CONFIG
@DATABASE
def worker(config: str, database: str) -> None:
    """Only the half that delivers."""
    with _explained(config):
        run_worker(Path(config), database)


class _explained:
    """Faults of set-up become words and exit code 2, which tells the supervisor not to try again."""

    def __init__(self, config: str) -> None:
        self._config = config

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, fault: BaseException | None, _trace: object) -> None:
        if isinstance(fault, ConfigurationFaults):
            told = "\n".join(each.render(self._config) for each in fault.faults)
        elif isinstance(fault, StoreUnavailable | ValueError | OSError):
            told = str(fault)
        else:
            return
        click.echo(told, err=True)
        sys.exit(2 if not isinstance(fault, StoreUnavailable) else 1)


for command in (*COMMANDS, incidents, preview, send_test):
    main.add_command(command)
