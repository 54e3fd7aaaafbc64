"""What benchmarks and the soak measure: the bridge, and Alertmanager's own receivers beside it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from dev.stack.binaries import find
from dev.stack.errors import StackError

SYSTEMS = ("bridge", "alertmanager")


def chosen_systems(only: str | None) -> Sequence[str]:
    """The one that was asked for, or both; without Alertmanager's binary the bridge alone, which is said."""
    if only:
        return (only,)
    try:
        find("alertmanager")
    except StackError as fault:
        click.echo(f"Alertmanager is left out: {fault}", err=True)
        return ("bridge",)
    return SYSTEMS
