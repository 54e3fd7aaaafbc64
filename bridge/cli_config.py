"""The commands about routes.yaml: check, route, schema, hash-password. `bridge.cli` mounts COMMANDS.

Law: the same pure functions as production decide; nothing here sends, stores or shows a secret.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bridge.cli_coverage import RuleCheck, check_rules
from bridge.config import ConfigurationFaults, Fault, Settings, TemplateCheck, json_schema, load
from bridge.core.numbers import in_words
from bridge.core.routing import Explanation, Match, Step, canonical_labels, explain, route_alert

_config_option = click.option(
    "--config", "config", envvar="BRIDGE_CONFIG", default="routes.yaml", show_default=True, metavar="FILE"
)
_json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")
_SEVERITIES = ("critical", "warning", "info", "")


@click.command()
@_config_option
@click.option(
    "--rules",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="A rule file of Prometheus or a folder of them; may be repeated.  [default: rules/ beside the FILE]",
)
@click.option("--no-rules", is_flag=True, help="Leave the alerting rules out.")
@_json_option
@click.pass_context
def check(context: click.Context, config: str, rules: tuple[Path, ...], no_rules: bool, as_json: bool) -> None:
    """Show every fault of the configuration and of the rules' coverage at once; exit 1 when there is one."""
    paths = _rule_paths(config, rules, no_rules)
    try:
        settings = load(config, _environ(context), _template_check(context))
    except ConfigurationFaults as found:
        told = check_rules(paths, None, datetime.now(UTC))
        click.echo(_check_json(found.filename, found.faults, found.warnings, told) if as_json else _bad(found, told))
        context.exit(1)
    told = check_rules(paths, settings, datetime.now(UTC))
    click.echo(_check_json(config, (), settings.warnings, told, settings) if as_json else _good(config, settings, told))
    context.exit(1 if told.faults else 0)


@click.command()
@click.argument("labels", nargs=-1, metavar="NAME=VALUE...")
@_config_option
@_json_option
@click.option("--at", metavar="TIME", help="As if it were this time: 2026-11-23T22:30:00+01:00 (UTC without a zone).")
@click.pass_context
def route(context: click.Context, labels: tuple[str, ...], config: str, as_json: bool, at: str | None) -> None:
    """Which routes take an alert with these labels, why, and who hears of it."""
    settings = _load_or_exit(context, config)
    found = canonical_labels(_labels(labels), settings.severities.aliases, settings.severities.label)
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


COMMANDS: tuple[click.Command, ...] = (check, route, schema, hash_password)


def _environ(context: click.Context) -> Mapping[str, str]:
    environ: Mapping[str, str] = _injected(context).get("environ", os.environ)
    return environ


def _template_check(context: click.Context) -> TemplateCheck | None:
    check_templates: TemplateCheck | None = _injected(context).get("check_templates")
    return check_templates


def _injected(context: click.Context) -> Mapping[str, Any]:
    """What `bridge.cli` put into click's obj: optionally check_templates and environ."""
    return context.obj if isinstance(context.obj, Mapping) else {}


def _load_or_exit(context: click.Context, config: str) -> Settings:
    try:
        return load(config, _environ(context))
    except ConfigurationFaults as found:
        click.echo(str(found), err=True)
        context.exit(1)


def _labels(words: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{word!r} is no label; write NAME=VALUE, such as severity=critical")
        labels[name] = value.strip('"') if value[:1] == value[-1:] == '"' else value
    return labels


def _time(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is no time; write it as 2026-11-23T22:30:00+01:00") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _rule_paths(config: str, rules: tuple[Path, ...], no_rules: bool) -> tuple[Path, ...]:
    if rules and no_rules:
        raise click.UsageError("--rules and --no-rules contradict each other; give one of the two")
    beside = Path(config).parent / "rules"
    return () if no_rules else rules or ((beside,) if beside.is_dir() else ())


def _bad(found: ConfigurationFaults, rules: RuleCheck) -> str:
    lines = [fault.render(found.filename) for fault in found.faults] + rules.fault_lines()
    lines += [*_warning_lines(found.filename, found.warnings), _counted(len(found.faults) + len(rules.faults))]
    return "\n".join(lines)


def _good(config: str, settings: Settings, rules: RuleCheck) -> str:
    lines = [*_warning_lines(config, settings.warnings), *_summary(config, settings), *rules.table()]
    return "\n".join([*lines, *rules.fault_lines(), *([_counted(len(rules.faults))] if rules.faults else [])])


def _counted(faults: int) -> str:
    return f"{faults} fault{'s' * (faults != 1)}"


def _warning_lines(filename: str, warnings: Iterable[Fault]) -> list[str]:
    return [f"{filename}:{warning.line}: warning: {warning}" for warning in warnings]


def _summary(filename: str, settings: Settings) -> list[str]:
    rows = [f"  {severity:<14} {', '.join(names) or 'nobody'}" for severity, names in _reached(settings).items()]
    counted = f"{len(settings.channels)} channels, sources: {len(settings.sources)}"
    return [f"{filename} is good: {counted}", "severity         reaches", *rows]


def _reached(settings: Settings) -> dict[str, list[str]]:
    """By severity alone; routes that ask for other labels are for `bridge route`."""
    now, reached = datetime.now(UTC), {}
    for severity in _SEVERITIES:
        labels = {"severity": severity} if severity else {}
        matches = route_alert(settings.route, labels, now)
        reached[severity or "(no severity)"] = _channels(matches)
    return reached


def _channels(matches: Iterable[Match]) -> list[str]:
    return list(dict.fromkeys(channel for match in matches for channel in match.channels))


def _check_json(
    config: str, faults: Iterable[Fault], warnings: Iterable[Fault], rules: RuleCheck, settings: Settings | None = None
) -> str:
    told = [*((config, fault) for fault in faults), *rules.faults]
    plain: dict[str, Any] = {"ok": not told, "faults": [_plain(*each) for each in told]}
    plain["warnings"] = [_plain(config, warning) for warning in warnings]
    if settings is not None:
        plain |= {"reaches": _reached(settings), "rules": rules.plain()}
    return json.dumps(plain, indent=2)


def _plain(file: str, fault: Fault) -> dict[str, str | int]:
    return {"file": file, "path": fault.path, "line": fault.line, "message": fault.message, "hint": fault.hint}


def _route_text(settings: Settings, labels: Mapping[str, str], explanation: Explanation) -> str:
    lines = ["alert  {" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}", ""]
    lines += [_step_line(step) for step in explanation.steps]
    for match in explanation.matches:
        lines += ["", f"{match.route}: {match.reason}", *_hears(settings, match)]
    return "\n".join(lines)


def _step_line(step: Step) -> str:
    mark = "=>" if step.taken else "ok" if step.matched else "--"
    seen = "the label is missing" if step.seen is None else f"it is {step.seen!r}"
    return f"{'  ' * step.depth}{mark} {step.route}" + ("" if step.matched else f"   fails {step.failed}: {seen}")


def _hears(settings: Settings, match: Match) -> list[str]:
    lines = [f"  -> {name} ({settings.channels[name].type})" for name in match.channels] or ["  -> nobody"]
    if match.muted:
        until = f"until {match.muted_until.isoformat()}" if match.muted_until else "for ever (over a year)"
        lines.append(f"     muted {until}: {match.muted_by}")
    return [*lines, *_hears_later(match)]


def _hears_later(match: Match) -> list[str]:
    """Who is told when that was not enough."""
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
        "channels": _channels(explanation.matches),
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
