"""Part of `bridge check`: the routing of each alerting rule, as a table and as JSON.

Invariant: routing is decided by bridge.core.routing.rule_coverage; here are only files, rows and texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bridge.config import Fault, Settings
from bridge.config.rule_files import PlacedRule, RuleFile, read_rule_files
from bridge.core.routing.rule_coverage import Coverage, Routing, Shortcoming, Way, cover, without_runbook

_HEADINGS = ("alert", "severity", "reaches", "")
_NOTES = {
    Way.BRIDGE: "",
    Way.DIRECT: "past the bridge, by Alertmanager's own PagerDuty",
    Way.HEARTBEAT: "a heartbeat: it opens no incident if `heartbeats` names it",
}


@dataclass(frozen=True, slots=True)
class Covered:
    """One alert with the file and the line of its rule."""

    file: str
    placed: PlacedRule
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """The findings about rules: `faults` and `warnings` are (file, fault). `covered` is empty without settings."""

    asked: bool
    covered: tuple[Covered, ...]
    faults: tuple[tuple[str, Fault], ...]
    warnings: tuple[tuple[str, Fault], ...] = ()

    def fault_lines(self) -> list[str]:
        return [fault.render(file) for file, fault in self.faults]

    def warning_lines(self) -> list[str]:
        return [f"{file}:{fault.line}: warning: {fault}" for file, fault in self.warnings]

    def table(self) -> list[str]:
        """One aligned line per alert, in the order of the files."""
        if not self.asked:
            return ["no rules were read: give their path with --rules PATH"]
        rows = [_HEADINGS, *(_row(each.coverage) for each in self.covered)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        files = len({each.file for each in self.covered})
        counted = f"{len(self.covered)} alerts in {files} rule file{'s' * (files != 1)}"
        return [f"{counted}, with the labels that the rules set", *(line.rstrip() for line in lines)]

    def plain(self) -> list[dict[str, Any]]:
        return [_plain(each) for each in self.covered]


def check_rules(paths: tuple[Path, ...], settings: Settings | None, now: datetime) -> RuleCheck:
    """Without settings (these have faults), only the checks that need no routing."""
    files = read_rule_files(paths)
    unread = [(file.filename, fault) for file in files for fault in file.faults]
    if settings is None:
        return RuleCheck(bool(paths), (), (*unread, *_without_runbook(files)))
    covered = tuple(_covered(files, _routing(settings), now))
    return RuleCheck(
        bool(paths), covered, (*unread, *_short(covered, warning=False)), tuple(_short(covered, warning=True))
    )


def _short(covered: Iterable[Covered], *, warning: bool) -> Iterator[tuple[str, Fault]]:
    for each in covered:
        these = (shortcoming for shortcoming in each.coverage.shortcomings if shortcoming.warning == warning)
        yield from ((each.file, fault) for fault in _faults(each.placed, these))


def _routing(settings: Settings) -> Routing:
    paging = frozenset(name for name, channel in settings.channels.items() if channel.pages)
    return Routing(settings.route, paging, settings.incidents.severity_aliases, settings.incidents.severity_label)


def _covered(files: Iterable[RuleFile], routing: Routing, now: datetime) -> Iterator[Covered]:
    for file in files:
        for placed in file.rules:
            yield Covered(file.filename, placed, cover(placed.rule, routing, now))


def _without_runbook(files: Iterable[RuleFile]) -> Iterator[tuple[str, Fault]]:
    for file in files:
        for placed in file.rules:
            yield from ((file.filename, fault) for fault in _faults(placed, without_runbook(placed.rule)))


def _faults(placed: PlacedRule, shortcomings: Iterable[Shortcoming]) -> Iterator[Fault]:
    return (Fault(placed.line, placed.path, each.message, each.hint) for each in shortcomings)


def _row(coverage: Coverage) -> tuple[str, str, str, str]:
    depends = f"depends on {', '.join(coverage.depends_on)}" if coverage.depends_on else ""
    note = "; ".join(part for part in (_NOTES[coverage.way], depends) if part)
    reaches = "PagerDuty" if coverage.way is Way.DIRECT else ", ".join(coverage.channels) or "no channel"
    return coverage.rule.alert, coverage.severity or "(none)", reaches, note


def _plain(each: Covered) -> dict[str, Any]:
    coverage = each.coverage
    return {
        "file": each.file,
        "line": each.placed.line,
        "alert": coverage.rule.alert,
        "severity": coverage.severity,
        "way": coverage.way.value,
        "channels": coverage.channels,
        "depends_on": coverage.depends_on,
        "faults": [shortcoming.message for shortcoming in coverage.shortcomings if not shortcoming.warning],
    }
