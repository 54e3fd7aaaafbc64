"""`bridge incidents`: the pages' functions from a shell."""

from __future__ import annotations

from collections.abc import Mapping

import click

from bridge.app.wiring import utc_now
from bridge.cli.actions import ack, escalate, note, resolve, unack
from bridge.cli.dead_letters import dead, replay
from bridge.cli.options import (
    DATABASE,
    NUMBER,
    both_for_subcommands,
    database_option,
    resolved,
    until_the_end,
)
from bridge.core.incidents.notices import is_informational, state_word, status_word
from bridge.core.incidents.periods import firing_period
from bridge.core.model import Incident, Severity
from bridge.core.routing.matchers import Matcher, format_matchers
from bridge.store import StoreReader, open_to_read

LIMIT = 100


@click.group(invoke_without_command=True)
@both_for_subcommands
@click.pass_context
def incidents(context: click.Context) -> None:
    """List and show incidents, and act on them; list and replay dead letters."""
    if context.invoked_subcommand is None:
        context.invoke(list_incidents, database=resolved(context, DATABASE))


@incidents.command("list")
@database_option
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=LIMIT, show_default=True, help="So many at most.")
def list_incidents(database: str, everything: bool = False, limit: int = LIMIT) -> None:
    """Open incidents, the most urgent first: by severity, then unacknowledged ones first."""
    reader = StoreReader(until_the_end(open_to_read(database)))
    page = reader.page_of_incidents(resolved=None if everything else False, limit=limit)
    for incident in page.items:
        click.echo(_line(incident, notice=incident.severity is Severity.INFO))
    what = "incidents" if everything else "open incidents"
    if page.total > len(page.items):
        shown = f"{len(page.items):,} of {page.total:,} {what}, the most urgent first"
        click.echo(f"{shown}; --limit {page.total} shows them all.")
    if not page.items:
        click.echo("No incident." if everything else "No open incident.")


@incidents.command()
@click.argument("number", type=NUMBER)
@database_option
def show(database: str, number: int) -> None:
    """State, alerts, timeline and deliveries of one incident."""
    reader = StoreReader(until_the_end(open_to_read(database)))
    incident = reader.incident(number)
    if incident is None:
        raise click.ClickException(f"There is no incident {number}.")
    informational = is_informational(incident)
    click.echo(_line(incident, notice=informational))
    for alert in incident.alerts.values():
        status = status_word(alert.status, notice=informational or alert.severity is Severity.INFO)
        click.echo(f"  {status:9}{alert.name}  {_labels(alert.labels)}")
    click.echo("Timeline")
    for entry in reader.timeline(number):
        text = entry.text.replace("\n", "\n      ")  # of a note
        click.echo(f"  {entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.kind:13}{entry.actor}: {text}")
    click.echo("Deliveries")
    for delivery in reader.deliveries(number):
        where = f"{delivery.channel} {delivery.recipient}".strip()
        click.echo(f"  {delivery.status:10}{where}  {delivery.why}  {delivery.last_error}".rstrip())


for command in (ack, unack, resolve, note, escalate, dead, replay):
    incidents.add_command(command)


def _line(incident: Incident, *, notice: bool) -> str:
    period = firing_period(incident)
    since = f"{period.started_at:%Y-%m-%d %H:%M}Z"
    lasted = f"  (lasted {period.lasted(utc_now())})" if period.ended_at else ""
    state = state_word(incident.state, notice=notice)
    return f"#{incident.number}  {state:13}{incident.severity:10}{since}  {incident.title}{lasted}"


def _labels(labels: Mapping[str, str]) -> str:
    """As matchers, ready to paste: {pod="a",team="ml"}."""
    return format_matchers(tuple(Matcher(name, "=", value) for name, value in sorted(labels.items())))
