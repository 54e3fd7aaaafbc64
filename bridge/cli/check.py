"""`bridge check`: reports every fault of the configuration, its templates and the rules' coverage at once.

Invariant: nothing here sends, stores or shows a secret.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bridge.app.settings import load
from bridge.channels import CHANNEL_TYPES
from bridge.cli.options import config_option, environ_of, template_check_of
from bridge.cli.rule_coverage import RuleCheck, check_rules
from bridge.config import ConfigurationFaults, Fault, Settings
from bridge.config.advice import advise
from bridge.core.routing.tree import route_alert

_SEVERITIES = ("critical", "warning", "info", "")


@dataclass(frozen=True, slots=True)
class Checked:
    """The findings for one file; `settings` is None when it cannot be loaded."""

    file: str
    settings: Settings | None
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    rules: RuleCheck

    @property
    def count(self) -> int:
        return len(self.faults) + len(self.rules.faults)


@click.command()
@config_option
@click.option(
    "--rules",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="A rule file of Prometheus or a folder of them; may be repeated.  [default: rules/ beside the FILE]",
)
@click.option("--no-rules", is_flag=True, help="Leave the alerting rules out.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def check(context: click.Context, config: str, rules: tuple[Path, ...], no_rules: bool, as_json: bool) -> None:
    """Show every fault of the configuration and of the rules' coverage at once; exit 1 when there is one."""
    checked = _checked(context, config, _rule_paths(config, rules, no_rules))
    click.echo(_as_json(checked) if as_json else "\n".join(_lines(checked)))
    context.exit(1 if checked.count else 0)


def _checked(context: click.Context, config: str, paths: tuple[Path, ...]) -> Checked:
    now, environ = datetime.now(UTC), environ_of(context)
    settings, faults, warnings = _read(config, environ, context)
    advice = advise(config, environ, now, CHANNEL_TYPES, faults, _useless_templates)
    every, all_warnings = sorted({*faults, *advice.faults}), sorted({*warnings, *advice.warnings})
    return Checked(config, settings, tuple(every), tuple(all_warnings), check_rules(paths, settings, now))


def _read(
    config: str, environ: Mapping[str, str], context: click.Context
) -> tuple[Settings | None, tuple[Fault, ...], tuple[Fault, ...]]:
    try:
        settings = load(config, environ, template_check_of(context))
    except ConfigurationFaults as found:
        return None, found.faults, found.warnings
    return settings, (), settings.warnings


def _useless_templates(folder: Path, kinds: Mapping[str, str], named: Collection[str]) -> Iterable[str]:
    from bridge.rendering.template_checks import useless_files  # imports Jinja, which is only needed with templates

    bodiless = {kind.word() for kind in CHANNEL_TYPES if not kind.shows_bodies}
    return useless_files(folder, kinds, named, bodiless)


def _rule_paths(config: str, rules: tuple[Path, ...], no_rules: bool) -> tuple[Path, ...]:
    if rules and no_rules:
        raise click.UsageError("--rules and --no-rules contradict each other; give one of the two")
    default = Path(config).parent / "rules"
    return () if no_rules else rules or ((default,) if default.is_dir() else ())


def _lines(checked: Checked) -> Iterator[str]:
    yield from (fault.render(checked.file) for fault in checked.faults)
    if checked.settings is None:
        yield from checked.rules.fault_lines()
    yield from (f"{checked.file}:{warning.line}: warning: {warning}" for warning in checked.warnings)
    yield from checked.rules.warning_lines()
    if checked.settings is not None:
        yield from _summary(checked, checked.settings)
        yield from (*checked.rules.table(), *checked.rules.fault_lines())
    if checked.count:
        yield f"{checked.count} fault{'s' * (checked.count != 1)}"


def _summary(checked: Checked, settings: Settings) -> Iterator[str]:
    if not checked.faults:
        yield f"{checked.file} is good: {len(settings.channels)} channels, sources: {len(settings.sources)}"
    yield "severity         reaches"
    yield from (
        f"  {severity:<14} {', '.join(names) or 'no channel'}" for severity, names in _reached(settings).items()
    )


def _reached(settings: Settings) -> dict[str, list[str]]:
    """By severity alone; use `bridge route` for routes that match other labels."""
    now, reached = datetime.now(UTC), {}
    for severity in _SEVERITIES:
        matches = route_alert(settings.route, {"severity": severity} if severity else {}, now)
        channels = dict.fromkeys(channel for match in matches for channel in match.channels)
        reached[severity or "(no severity)"] = list(channels)
    return reached


def _as_json(checked: Checked) -> str:
    faults = [*((checked.file, fault) for fault in checked.faults), *checked.rules.faults]
    warnings = [*((checked.file, warning) for warning in checked.warnings), *checked.rules.warnings]
    plain: dict[str, Any] = {"ok": not faults, "faults": _plain(faults), "warnings": _plain(warnings)}
    if checked.settings is not None:
        plain |= {"reaches": _reached(checked.settings), "rules": checked.rules.plain()}
    return json.dumps(plain, indent=2)


def _plain(found: Iterable[tuple[str, Fault]]) -> list[dict[str, str | int]]:
    return [
        {"file": file, "path": fault.path, "line": fault.line, "message": fault.message, "hint": fault.hint}
        for file, fault in found
    ]
