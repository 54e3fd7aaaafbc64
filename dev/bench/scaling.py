"""Webs and workers on one PostgreSQL: how much each further process brings, and what they wait for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from dev.bench.apart import running_apart
from dev.bench.databases import postgresql_server
from dev.bench.machine import described, machine
from dev.bench.machines import Sinks, System
from dev.bench.measuring import CHANNELS, Figures, storm_on
from dev.bench.usage import cpu_seconds
from dev.bench.waiting import Waits, watched

GROUPS, QUICK = 2000, 400
SHAPES = ((1, 1), (2, 1), (1, 2), (2, 2))  #: webs, workers


@click.command()
@click.option("--quick", is_flag=True, help="Smaller.")
def scaling(quick: bool) -> None:
    """A storm with 1 and 2 webs and workers on PostgreSQL; about two minutes."""
    click.echo(described(machine()))
    for webs, workers in SHAPES:
        figures, waits = measured(webs, workers, QUICK if quick else GROUPS)
        click.echo(f"\n{webs} web, {workers} worker")
        for name, value in figures.items():
            click.echo(f"  {name:50} {value:10,.2f}")
        for name, share in waits.shares().items():
            click.echo(f"  sessions in {name:60} {share:6.2f}")


def measured(webs: int, workers: int, groups: int) -> tuple[Figures, Waits]:
    seen: list[Waits] = []
    cpu: Figures = {}
    with postgresql_server() as server:

        @contextlib.contextmanager
        def running(sinks: Sinks) -> Iterator[System]:
            with running_apart(sinks, server, webs, workers) as system, watched(_database(system)) as waits:
                before = {pid: cpu_seconds(pid) for pid in system.pids}
                yield system
                seen.append(waits)
                for pid, used in before.items():
                    kind = f"CPU s of {_kind(pid, server.pid)}"
                    cpu[kind] = cpu.get(kind, 0.0) + cpu_seconds(pid) - used

        figures = storm_on(running, groups)
    (waits,) = seen
    return figures | cpu | {"commits a notification": waits.commits / (groups * len(CHANNELS))}, waits


def _kind(pid: int, server: int) -> str:
    if pid == server:
        return "PostgreSQL"
    return "workers" if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes() else "webs"


def _database(system: System) -> str:
    """As the process got it."""
    environment = Path(f"/proc/{system.pid}/environ").read_bytes().split(b"\0")
    (url,) = (each.partition(b"=")[2] for each in environment if each.startswith(b"BRIDGE_DATABASE_URL="))
    return url.decode()
