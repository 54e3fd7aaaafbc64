"""`bridge incidents ack|unack|resolve|note|escalate`: on the database, or on a bridge elsewhere through its API.

Exit codes: 0: every incident is in the wanted state, even if another user was first; 1: an incident was refused or is
unknown; 2: the command line is wrong.
"""

from __future__ import annotations

import functools
import json
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import click

from bridge.app.wiring import policy_of, utc_now
from bridge.cli.options import (
    actor_option,
    config_option,
    database_option,
    settings_without_secrets,
    until_the_end,
)
from bridge.cli.remote import TOKEN, Answered, RemoteBridge, checked_server, token_of
from bridge.config.access import name_of
from bridge.core.errors import StoreUnavailable
from bridge.core.incidents.actions import Action, Verb, Why, note_of
from bridge.core.timeline import Place
from bridge.store import StoreActions, open_to_change

PATHS = {Verb.ACKNOWLEDGE: "ack", Verb.UNACKNOWLEDGE: "unack"}  #: where it is not the verb itself
Result = Mapping[str, Any]  #: as the API answers; with `error` where it is not so now


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say that all actions have."""

    numbers: tuple[int, ...]
    actor: str
    config: str
    database: str
    revision: int | None
    server: str | None
    token_file: str | None
    as_json: bool


def _asking(does: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command `asked`. does: as the help says it of a user."""
    options = (
        click.argument("numbers", type=int, nargs=-1, required=True, metavar="N..."),
        actor_option(does),
        click.option("--revision", type=click.IntRange(1, 2**31 - 1), help="Only if it is still at this revision."),
        click.option("--json", "as_json", is_flag=True, help="The results as a JSON array."),
        click.option(
            "--server",
            metavar="URL",
            callback=checked_server,
            help="Act on the bridge there, through its API, and not on the database.",
        ),
        click.option("--token-file", metavar="FILE", help=f"Holds the token for --server; else {TOKEN} has it."),
        config_option,
        database_option,
    )

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        def command(context: click.Context, /, **given: Any) -> None:
            common = {each.name: given.pop(each.name) for each in fields(Asked)}
            function(context, Asked(**common), **given)

        found: Callable[..., None] = functools.update_wrapper(click.pass_context(command), function)
        for option in reversed(options):
            found = option(found)
        return found

    return decorate


@click.command()
@_asking("acknowledges")
def ack(context: click.Context, asked: Asked) -> None:
    """Acknowledge incidents."""
    _act(context, asked, Verb.ACKNOWLEDGE)


@click.command()
@_asking("takes it back")
def unack(context: click.Context, asked: Asked) -> None:
    """Take an acknowledgement back: the channels are notified again."""
    _act(context, asked, Verb.UNACKNOWLEDGE)


@click.command()
@_asking("resolves")
def resolve(context: click.Context, asked: Asked) -> None:
    """Resolve incidents. What still fires at its source's next reminder opens again."""
    _act(context, asked, Verb.RESOLVE)


@click.command()
@click.option("-m", "--text", metavar="TEXT", help="The note; without it, it is read from the standard input.")
@_asking("writes it")
def note(context: click.Context, asked: Asked, text: str | None) -> None:
    """Write a note, of up to 2,000 characters."""
    _act(context, asked, Verb.NOTE, text=_note(text if text is not None else sys.stdin.read()))


@click.command()
@click.option("--channel", metavar="NAME", help="Notify this one; default: the next step of the routes.")
@_asking("escalates")
def escalate(context: click.Context, asked: Asked, channel: str | None) -> None:
    """Notify the next escalation step, or a channel, at once."""
    if channel is not None and not channel.strip():
        raise click.UsageError("--channel is empty: write a channel's name, or leave it out for the next step")
    _act(context, asked, Verb.ESCALATE, channel=(channel or "").strip())


def _note(text: str) -> str:
    try:
        return note_of(text)
    except ValueError as fault:
        raise click.UsageError(str(fault)) from None


def _act(context: click.Context, asked: Asked, verb: Verb, *, text: str = "", channel: str = "") -> None:
    action = Action(verb, asked.actor, Place.CLI, text, channel, asked.revision)
    take = _remotely(context, asked, action) if asked.server else _directly(context, asked, action)
    results = _all(take, list(dict.fromkeys(asked.numbers)))
    if asked.as_json:
        click.echo(json.dumps(results, ensure_ascii=False, indent=2))
    for result in () if asked.as_json else results:
        _print(result, alone=len(results) == 1)
    if any("error" in result for result in results):
        sys.exit(1)


def _all(take: Callable[[int], Result], numbers: Sequence[int]) -> list[Result]:
    """What stops one stops those after it, for the same reason; what was done before is still reported."""
    results: list[Result] = []
    for number in numbers:
        try:
            results.append(take(number))
        except (click.ClickException, StoreUnavailable) as fault:
            results.append({"number": number, "error": str(fault), "why": "stopped"})
            break
    after = f"not tried, because of the error with {numbers[len(results) - 1]}"
    return results + [{"number": number, "error": after, "why": "stopped"} for number in numbers[len(results) :]]


def _print(result: Result, *, alone: bool) -> None:
    before = "" if alone else f"#{result['number']}: "
    if "error" in result:
        click.echo(f"Error: {before}{result['error']}", err=True)
    elif result["changed"]:
        click.echo(f"{before}{result['message']}")
    else:
        click.echo(f"{before}Nothing to do: {result['message']}.")


def _directly(context: click.Context, asked: Asked, action: Action) -> Callable[[int], Result]:
    settings = settings_without_secrets(context, asked.config)
    policy = policy_of(settings)
    actions = StoreActions(until_the_end(open_to_change(asked.database)), lambda: policy)
    action = replace(action, actor=name_of(settings.people, action.actor))

    def take(number: int) -> Result:
        result = actions.take(number, action, utc_now())
        if result is None:
            return {"number": number, "error": f"There is no incident {number}.", "why": "unknown"}
        known = {"number": number, "state": result.state, "revision": result.revision}
        if result.why in (None, Why.ALREADY):
            return known | {"changed": result.why is None, "message": result.text}
        return known | {"error": result.text, "why": result.why}

    return take


def _remotely(context: click.Context, asked: Asked, action: Action) -> Callable[[int], Result]:
    token = token_of(asked.token_file)
    said = context.get_parameter_source("actor") is not click.core.ParameterSource.DEFAULT
    if token and said:
        raise click.UsageError("--as: the token says who acts")
    bridge, run = RemoteBridge(asked.server or "", token), secrets.token_hex(16)
    own = {"revision": action.revision, "text": action.text, "channel": action.channel}
    body = {name: value for name, value in own.items() if value} | ({} if token else {"actor": action.actor})

    def take(number: int) -> Result:
        path = f"/api/v1/incidents/{number}/{PATHS.get(action.verb, action.verb)}"
        return _result(number, bridge.post(path, body, f"{run}-{number}"))

    return take


def _result(number: int, answered: Answered) -> Result:
    body = answered.body
    if answered.status == 200 and {"changed", "message"} <= set(body):
        return body
    if answered.status == 404 and "error" in body:
        return {"number": number, "error": str(body["error"]), "why": "unknown"}
    if answered.status == 409 and "error" in body:
        return body
    text = body.get("error") or answered.text or "that is no answer of a bridge's API"
    raise click.ClickException(f"HTTP {answered.status}: {text}")
