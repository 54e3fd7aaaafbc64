"""`python -m dev.bench peers`."""

from __future__ import annotations

import click

from dev.bench import keeping, page
from dev.bench.machine import described, machine
from dev.bench.measuring import Figures
from dev.bench.peers.measuring import measure

COLUMNS = {"posts/s": 0, "answer at 50/s p50 ms": 1, "answer at 50/s p99 ms": 1, "CPU ms a post": 2, "refused": 0}


@click.command()
@click.option("--quick", is_flag=True, help="Shorter, and not written down.")
def peers(quick: bool) -> None:
    """Posts that others than the bridge take; fetches them into .tools/peers. About two minutes."""
    before = machine()
    found, absent = measure(quick)
    click.echo(table(found))
    for name, why in absent.items():
        click.echo(f"\n{name} is left out: {why}")
    if not quick:
        keeping.keep("peers", {"machine": before, "results": found, "absent": absent})
        page.write("peers", "\n\n".join([described(before), table(found), *map(left_out, absent, absent.values())]))


def table(found: dict[str, Figures]) -> str:
    lines = [["one alert a post", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    lines += [[name, *(f"{each[key]:,.{digits}f}" for key, digits in COLUMNS.items())] for name, each in found.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def left_out(name: str, why: str) -> str:
    """Its last line says most."""
    return f"{name} is left out: {why.strip().splitlines()[-1]}"
