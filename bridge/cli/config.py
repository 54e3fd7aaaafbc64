"""The commands route, schema and hash-password.

Invariant: routing is decided by production's own functions; nothing here sends, stores, or needs a secret.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from bridge.app.settings import json_schema
from bridge.cli.options import config_option, settings_without_secrets
from bridge.config import Settings
from bridge.core.numbers import in_words
from bridge.core.routing.tree import Explanation, Match, Step, canonical_labels, explain


@click.command()
@click.argument("labels", nargs=-1, metavar="NAME=VALUE...")
@config_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--at", metavar="TIME", help="As if it were this time: 2026-11-23T22:30:00+01:00 (UTC without a zone).")
@click.pass_context
def route(context: click.Context, labels: tuple[str, ...], config: str, as_json: bool, at: str | None) -> None:
    """Which routes match an alert with these labels, why, and which channels are notified."""
    settings = settings_without_secrets(context, config)
    found = canonical_labels(_labels(labels), settings.incidents.severity_aliases, settings.incidents.severity_label)
    explanation = explain(settings.route, found, _time(at))
    click.echo(_route_json(found, explanation) if as_json else _route_text(settings, found, explanation))


@click.command()
def schema() -> None:
    """JSON Schema of routes.yaml, for completion in editors."""
    click.echo(json.dumps(json_schema(), indent=2))


@click.command("hash-password")
def hash_password() -> None:
    """Hash a password for web.users; reads it from the prompt, or from the standard input."""
    from werkzeug.security import generate_password_hash  # only this command needs it

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n").removeprefix("\ufeff")  # PowerShell's
    if not password:
        raise click.ClickException("the password is empty")
    click.echo(generate_password_hash(password, method="scrypt"))


def _labels(words: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{word!r} is not a label; write NAME=VALUE, such as severity=critical")
        labels[name] = value.strip('"') if value[:1] == value[-1:] == '"' else value
    return labels


def _time(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is not a time; write it as 2026-11-23T22:30:00+01:00") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _route_text(settings: Settings, labels: Mapping[str, str], explanation: Explanation) -> str:
    lines = ["alert  {" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}", ""]
    lines += [_step_line(step) for step in explanation.steps]
    for match in explanation.matches:
        lines += ["", f"{match.route}: {match.reason}", *_notified(settings, match)]
    return "\n".join(lines)


def _step_line(step: Step) -> str:
    mark = "=>" if step.taken else "ok" if step.matched else "--"
    seen = "the label is missing" if step.seen is None else f"it is {step.seen!r}"
    return f"{'  ' * step.depth}{mark} {step.route}" + ("" if step.matched else f"   fails {step.failed}: {seen}")


def _notified(settings: Settings, match: Match) -> list[str]:
    lines = [f"  -> {name} ({settings.channels[name].type})" for name in match.channels] or ["  -> no channel"]
    if match.muted:
        until = f"until {match.muted_until.isoformat()}" if match.muted_until else "for ever (over a year)"
        lines.append(f"     muted {until}: {match.muted_by}")
    return [*lines, *_notified_later(match)]


def _notified_later(match: Match) -> list[str]:
    """The fallback and escalation channels."""
    lines = []
    if match.fallback and match.channels:
        when = f"at a dead letter, or when one above fails for {in_words(match.fallback_after)}"
        lines.append(f"     fallback: {', '.join(match.fallback)}, {when}")
    unless = "unless it is acknowledged or over"
    return lines + [f"     after {in_words(s.after)}: {', '.join(s.notify)} too, {unless}" for s in match.escalate]


def _route_json(labels: Mapping[str, str], explanation: Explanation) -> str:
    matches = [_plain_match(match) for match in explanation.matches]
    steps = [
        {"route": s.route, "depth": s.depth, "matched": s.matched, "failed": s.failed, "taken": s.taken}
        for s in explanation.steps
    ]
    plain = {
        "labels": dict(labels),
        "channels": list(dict.fromkeys(name for match in explanation.matches for name in match.channels)),
        "matches": matches,
        "steps": steps,
    }
    return json.dumps(plain, indent=2)


def _plain_match(match: Match) -> dict[str, Any]:
    return {
        "route": match.route,
        "channels": match.channels,
        "reason": match.reason,
        "fallback": match.fallback,
        "fallback_after_seconds": match.fallback_after.total_seconds(),
        "escalate": [{"after_seconds": s.after.total_seconds(), "notify": s.notify} for s in match.escalate],
        "muted_by": match.muted_by,
        "muted_until": match.muted_until.isoformat() if match.muted_until else None,
        "muted_for_ever": match.muted_for_ever,
    }
