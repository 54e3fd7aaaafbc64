"""`bridge incidents dead` and `replay`: list and retry dead letters."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from bridge.app.wiring import utc_now
from bridge.cli.options import NUMBER, database_option, until_the_end
from bridge.core.delivery.dead_letters import DeadLetter, DeadLetterFilter
from bridge.core.errors import Reason
from bridge.rendering.text import clean, cut, one_line
from bridge.store import StoreDeadLetters, StoreReader, open_to_change, open_to_read

EXCERPT = 200
CHANNEL = click.option("--channel", help="Only those of this channel.")
REASON = click.option("--reason", type=click.Choice(list(map(str, Reason))), help="Only those with this reason.")


@click.command()
@database_option
@CHANNEL
@REASON
@click.option("--json", "as_json", is_flag=True, help="As JSON, with the whole refused payload.")
@click.option("--show", nargs=2, type=(NUMBER, str), metavar="NUMBER CHANNEL", help="The whole refused payload.")
def dead(database: str, channel: str | None, reason: str | None, as_json: bool, show: tuple[int, str] | None) -> None:
    """List dead letters, the oldest first, and what to do about them."""
    letters = StoreDeadLetters(until_the_end(open_to_read(database)))
    if show is not None:
        _show(letters, *show)
        return
    found = letters.found(DeadLetterFilter(channel=channel, reason=Reason(reason) if reason else None))
    if as_json:
        click.echo(json.dumps([_as_json(letter) for letter in found], indent=2))
        return
    for letter in found:
        click.echo(_text(letter))
    if not found:
        click.echo("No dead letters.")


@click.command()
@click.argument("number", type=NUMBER, required=False)
@database_option
@CHANNEL
@REASON
@click.option("--all", "everything", is_flag=True, help="Every dead letter.")
@click.option("--dry-run", is_flag=True, help="Only count them.")
def replay(
    database: str,
    number: int | None,
    channel: str | None,
    reason: str | None,
    everything: bool,
    dry_run: bool,
) -> None:
    """Retry dead letters of incident NUMBER or of a selection, with the incident's current state."""
    wanted = DeadLetterFilter(number, channel, Reason(reason) if reason else None)
    if everything == (wanted != DeadLetterFilter()):
        raise click.UsageError("Say which ones: a number, --channel, --reason, or else --all.")
    engine = until_the_end(open_to_read(database) if dry_run else open_to_change(database))
    if number is not None and StoreReader(engine).incident(number) is None:
        raise click.ClickException(f"There is no incident {number}.")
    letters = StoreDeadLetters(engine)
    count = letters.count(wanted) if dry_run else letters.replay(wanted, utc_now())
    verb = "would be" if dry_run else "will be"
    click.echo(f"{count} dead letter{'' if count == 1 else 's'} {verb} tried again.")


def _show(letters: StoreDeadLetters, number: int, channel: str) -> None:
    found = letters.found(DeadLetterFilter(number, channel))
    if not found:
        raise click.ClickException(f"There is no dead letter of incident {number} for {channel}.")
    for letter in found:
        click.echo(_text(letter, excerpt=False))
        click.echo(clean(letter.refused) or "(it was not composed)")


def _text(letter: DeadLetter, *, excerpt: bool = True) -> str:
    target = f"{letter.channel} {letter.recipient}".strip()
    about = f"{letter.severity}, {letter.state}  {one_line(letter.title)}"
    lines = [
        f"#{letter.incident_number}  {target}  since {letter.since:%Y-%m-%d %H:%M}Z  {about}",
        f"    {letter.reason or 'unknown'}: {one_line(letter.detail)}",
        f"    {letter.advice.why} {letter.advice.what_to_do}",
    ]
    if excerpt and letter.refused:
        lines.append(f"    refused: {cut(one_line(letter.refused), EXCERPT)}")
    return "\n".join(lines)


def _as_json(letter: DeadLetter) -> dict[str, Any]:
    advice = {"why": letter.advice.why, "what_to_do": letter.advice.what_to_do}
    return {**asdict(letter), "since": letter.since.isoformat(), **advice}
