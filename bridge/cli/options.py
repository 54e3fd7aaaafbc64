"""Shared options and settings of commands; --config and --database may precede or follow a command's name.

Every process imports this file, so it imports little.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bridge.core.network.addresses import EXAMPLE, parse_listen

if TYPE_CHECKING:
    from bridge.config import Settings, TemplateCheck
    from bridge.store import Engine

MOST_ACTOR = 200
F = TypeVar("F", bound=Callable[..., Any])
CONFIG = ("config", "BRIDGE_CONFIG", "routes.yaml", "FILE", "The configuration.")
DATABASE = ("database", "BRIDGE_DATABASE_URL", "sqlite:///bridge.db", "URL", "sqlite:///FILE or postgresql://...")


def config_option(command: F) -> F:
    """Gives the command `config`."""
    return _option(CONFIG)(command)


def database_option(command: F) -> F:
    """Gives the command `database`."""
    return _option(DATABASE)(command)


def both_for_subcommands(group: F) -> F:
    """On a group: `bridge --config FILE incidents --database URL list`."""
    return _option(CONFIG, expose_value=False)(_option(DATABASE, expose_value=False)(group))


def resolved(context: click.Context, option: tuple[str, ...], value: str | None = None) -> str:
    """The last occurrence on the command line, then the variable, then the default."""
    name, variable, default, *_ = option
    key = f"{__name__}.{name}"
    if value:
        context.meta[key] = value
    found: str = context.meta.get(key) or os.environ.get(variable) or default
    return found


def _option(option: tuple[str, ...], *, expose_value: bool = True) -> Callable[[F], F]:
    name, variable, default, metavar, what = option

    def callback(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
        if value is not None and not value.strip():
            right = what if option is DATABASE else metavar
            raise click.BadParameter(f"it is empty; write {right}", context, parameter)
        if value is not None and option is DATABASE and has_password(value):
            risk = "every user of this machine can read the password in --database (ps shows it)"
            click.echo(f"warning: {risk}: give the URL in {variable}, or the password in PGPASSWORD", err=True)
        return resolved(context, option, value)

    shown = f"{what}  [env var: {variable}; default: {default}]"
    return click.option(f"--{name}", metavar=metavar, callback=callback, expose_value=expose_value, help=shown)


def has_password(url: str) -> bool:
    """Whether a database URL carries one, well-formed or not."""
    return re.search(r"://[^/:@?]*:[^@]+@|[?&](?:ssl)?password=.", url) is not None


class ListenAddress(click.ParamType[str]):
    """Checked, but kept as text: the listening process parses it again."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(parse_listen(str(value)))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


listen_option = click.option(
    "--listen", type=ListenAddress(), envvar="BRIDGE_LISTEN", default=EXAMPLE, show_default=True, metavar="HOST:PORT"
)
hang_option = click.option(
    "--hang-timeout",
    type=click.FloatRange(min=0),
    envvar="BRIDGE_HANG_TIMEOUT",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="A process without a sign of life for so long is killed and restarted; 0: never.",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(1, 16),
    envvar="BRIDGE_WORKERS",
    default=1,
    show_default=True,
    metavar="NUMBER",
    help="How many worker processes deliver.",
)


def until_the_end(engine: Engine) -> Engine:
    """Dispose of the engine when the command ends, however it ends."""
    click.get_current_context().call_on_close(engine.dispose)
    return engine


class IncidentNumber(click.ParamType[int]):
    """Refuses numbers beyond the column's range, with which databases refuse to compare."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is not a whole number.", param, ctx)
        if not 0 < number < 2**31:
            raise click.ClickException(f"There is no incident {number}.")
        return number


NUMBER = IncidentNumber()


def actor_option(verb: str) -> Callable[[F], F]:
    """Gives the command `actor`: who does it, as the timeline shows it."""
    return click.option("--as", "actor", callback=_actor, metavar="NAME", help=f"Who {verb}; default: you.")


def _actor(_: click.Context, __: click.Parameter, value: str | None) -> str:
    if value is None:
        return _user()
    name = " ".join("".join(each if each.isprintable() else " " for each in value).split())
    if not name or len(name) > MOST_ACTOR:
        raise click.BadParameter(f"write a name of 1 to {MOST_ACTOR} characters")
    return name


def _user() -> str:
    """The user's name; in a container there may be only a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def environ_of(context: click.Context) -> Mapping[str, str]:
    environ: Mapping[str, str] = _injected(context).get("environ", os.environ)
    return environ


def template_check_of(context: click.Context) -> TemplateCheck | None:
    check_templates: TemplateCheck | None = _injected(context).get("check_templates")
    return check_templates


def settings_without_secrets(context: click.Context, config: str) -> Settings:
    """For commands that send nothing, so no secret is read. Exits with 1 and every fault if there is any."""
    from bridge.app.settings import load
    from bridge.config import ConfigurationFaults

    try:
        return load(config, environ_of(context), template_check_of(context), secrets=False)
    except ConfigurationFaults as found:
        click.echo(str(found), err=True)
        sys.exit(1)


def _injected(context: click.Context) -> Mapping[str, Any]:
    """The values that bridge.cli.main puts into click's obj: check_templates and environ."""
    return context.obj if isinstance(context.obj, Mapping) else {}
