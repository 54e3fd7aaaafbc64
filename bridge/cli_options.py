"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from typing import Any

import click

from bridge.core.addresses import EXAMPLE, parse_listen


class _Listen(click.ParamType[str]):
    """Stays the text that it was: the process that listens reads it again."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(parse_listen(str(value)))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


LISTEN = click.option(
    "--listen", type=_Listen(), envvar="BRIDGE_LISTEN", default=EXAMPLE, show_default=True, metavar="HOST:PORT"
)
