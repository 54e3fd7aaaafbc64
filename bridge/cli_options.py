"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
from typing import Any

import click
from click.core import ParameterSource

from bridge.core.addresses import EXAMPLE, parse_listen

DEFAULT_DATABASE = "sqlite:///bridge.db"


class _Listen(click.ParamType[str]):
    """Stays the text that it was: the process that listens reads it again."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(parse_listen(str(value)))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


def _given(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("it is empty; write sqlite:///FILE or postgresql://...", ctx, param)
    if ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE and has_password(value):
        told = "every user of this machine can read the password in --database (ps shows it)"
        click.echo(f"warning: {told}: give the URL in BRIDGE_DATABASE_URL, or the password in PGPASSWORD", err=True)
    return value


def has_password(url: str) -> bool:
    """Whether a database URL carries one, well-formed or not."""
    return re.search(r"://[^/:@?]*:[^@]+@|[?&](?:ssl)?password=.", url) is not None


DATABASE = click.option(
    "--database",
    envvar="BRIDGE_DATABASE_URL",
    default=DEFAULT_DATABASE,
    show_default=True,
    metavar="URL",
    callback=_given,
    help="sqlite:///FILE or postgresql://... (a shared one for several machines).",
)
LISTEN = click.option(
    "--listen", type=_Listen(), envvar="BRIDGE_LISTEN", default=EXAMPLE, show_default=True, metavar="HOST:PORT"
)
HANG = click.option(
    "--hang-timeout",
    type=click.FloatRange(min=0),
    envvar="BRIDGE_HANG_TIMEOUT",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="A half that shows no sign of life for so long is killed and started again; 0 is never.",
)
