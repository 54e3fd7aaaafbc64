"""`bridge incidents`: the same as the pages, from a shell."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path

import click

from bridge.cli_dead_letters import dead, replay
from bridge.cli_options import DATABASE
from bridge.core.model import Change, Incident
from bridge.store import StorePeople, StoreReader, open_database
from bridge.wiring import load_settings, policy_of, utc_now


@click.group(invoke_without_command=True)
@click.option("--config", envvar="BRIDGE_CONFIG", default="routes.yaml", show_default=True)
@DATABASE
@click.pass_context
def incidents(context: click.Context, config: str, database: str) -> None:
    """List, show, acknowledge or resolve incidents; list and replay dead letters."""
    context.obj = {"config": config, "database": database}
    if context.invoked_subcommand is None:
        context.invoke(list_incidents)


@incidents.command("list")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@click.pass_obj
def list_incidents(places: dict[str, str], everything: bool = False) -> None:
    """Open incidents, newest change first."""
    reader = StoreReader(open_database(places["database"]))
    found = reader.list_incidents(resolved=None if everything else False)
    for incident in found:
        click.echo(_line(incident))
    if not found:
        click.echo("No open incident.")


@incidents.command()
@click.argument("number", type=int)
@click.pass_obj
def show(places: dict[str, str], number: int) -> None:
    """State, alerts, timeline and deliveries of one incident."""
    reader = StoreReader(open_database(places["database"]))
    incident = reader.incident(number)
    if incident is None:
        raise click.ClickException(f"There is no incident {number}.")
    click.echo(_line(incident))
    for alert in incident.alerts.values():
        click.echo(f"  {alert.status:9}{alert.name}  {dict(alert.labels)}")
    click.echo("Timeline")
    for entry in reader.timeline(number):
        click.echo(f"  {entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.kind:13}{entry.actor}: {entry.text}")
    click.echo("Deliveries")
    for delivery in reader.deliveries(number):
        where = f"{delivery.channel} {delivery.recipient}".strip()
        click.echo(f"  {delivery.status:10}{where}  {delivery.why}  {delivery.last_error}".rstrip())


@incidents.command()
@click.argument("number", type=int)
@click.option("--as", "actor", default=getpass.getuser, help="Who acknowledges; default: you.")
@click.pass_obj
def ack(places: dict[str, str], number: int, actor: str) -> None:
    """Say that somebody has it."""
    _act(places, number, lambda people: people.acknowledge(number, actor, utc_now()))


@incidents.command()
@click.argument("number", type=int)
@click.option("--as", "actor", default=getpass.getuser, help="Who resolves; default: you.")
@click.pass_obj
def resolve(places: dict[str, str], number: int, actor: str) -> None:
    """Say that it is over."""
    _act(places, number, lambda people: people.resolve(number, actor, utc_now()))


incidents.add_command(dead)
incidents.add_command(replay)


def _people(places: dict[str, str]) -> StorePeople:
    policy = policy_of(load_settings(Path(places["config"])))
    return StorePeople(open_database(places["database"]), lambda: policy)


def _act(places: dict[str, str], number: int, act: Callable[[StorePeople], Change | None]) -> None:
    change = act(_people(places))
    if change is None:
        raise click.ClickException(f"There is no incident {number}.")
    told = "; ".join(entry.text for entry in change.entries)
    click.echo(told or f"Nothing to do: incident {number} is {change.incident.state}.")


def _line(incident: Incident) -> str:
    since = f"{incident.opened_at:%Y-%m-%d %H:%M}Z"
    return f"#{incident.number}  {incident.state:13}{incident.severity:10}{since}  {incident.title}"
