"""The same rules in faster time: divides every duration, and counts of events in a window with it.

Invariant: at speed 1 nothing changes; durations that would be too short for the scrapes are limited, and reported.
docs/rules.md, "Faster time", says what has to be divided and what must stay.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from dev.stack import promql
from dev.stack.errors import StackError
from dev.stack.places import ROOT

USUAL, MOST = 30, 300
INTERVAL = 15_000  # milliseconds between two scrapes, and between two evaluations, in docker/prometheus/prometheus.yml
SHORTEST_INTERVAL = 1000
SCRAPES_IN_A_WINDOW = 4
RULES = ROOT / "rules"
Group = Mapping[str, Any]


def from_environment(caller: Mapping[str, str]) -> int:
    """SPEED, a whole number: 1 is real time. Raises StackError."""
    text = caller.get("SPEED") or str(USUAL)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST):
        raise StackError(f"SPEED={text!r} is not a speed: write a whole number from 1 (real time) to {MOST}.")
    return int(text)


@dataclass
class Tempo:
    """Divides durations, and records which ones were limited. All lengths in milliseconds."""

    speed: int
    limited: dict[int, int] = field(default_factory=dict)

    @property
    def interval(self) -> int:
        """Between two scrapes, and between two evaluations."""
        return max(round(INTERVAL / self.speed), SHORTEST_INTERVAL)

    def window(self, milliseconds: int) -> int:
        return self._divided(milliseconds, SCRAPES_IN_A_WINDOW * self.interval)

    def offset(self, milliseconds: int) -> int:
        return self._divided(milliseconds, self.interval)

    def wait(self, milliseconds: int) -> int:
        """`for` and `keep_firing_for`: at least one evaluation long."""
        return self._divided(milliseconds, self.interval)

    def guard(self, count: Fraction, window: int) -> int | Fraction:
        """Shrinks as its window does, which may be less than the speed. At least one event."""
        after = self.window(window)
        return count if after == window else max(1, math.ceil(count * Fraction(after, window)))

    def _divided(self, milliseconds: int, least: int) -> int:
        after = round(milliseconds / self.speed)
        if after >= min(milliseconds, least):
            return after
        self.limited[milliseconds] = max(self.limited.get(milliseconds, 0), min(milliseconds, least))
        return min(milliseconds, least)

    def note(self) -> str:
        """The durations that were limited so far; empty if none was."""
        if not self.limited:
            return ""
        listed = ", ".join(
            f"{promql.duration(old)} is {promql.duration(new)}" for old, new in sorted(self.limited.items())
        )
        return f"At SPEED={self.speed} some durations would be too short for Prometheus, and are limited: {listed}."


def write_rules(folder: Path, tempo: Tempo, source: Path = RULES) -> None:
    """Every file of rules/ under its own name. Files of an earlier run are removed. Raises StackError."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.yml"):
        file.unlink()
    read = {file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(source.glob("*.yml"))}
    for name, content in divided(read, tempo).items():
        head = f"# Written by `make up` from rules/{name} at SPEED={tempo.speed}; change that file instead.\n"
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
        (folder / name).write_text(head + text, encoding="utf-8")


def divided(files: Mapping[str, Any], tempo: Tempo) -> dict[str, Any]:
    """The contents of rule files, by name."""
    windows = recorded_windows(
        rule for content in files.values() for group in content["groups"] for rule in group["rules"]
    )
    return {
        name: content | {"groups": [_group(group, tempo, windows) for group in content["groups"]]}
        for name, content in files.items()
    }


def _group(group: Group, tempo: Tempo, windows: Mapping[str, int]) -> dict[str, Any]:
    new = {**group, "rules": [_rule(rule, tempo, windows) for rule in group["rules"]]}
    if "interval" in group:
        new["interval"] = promql.changed(group["interval"], tempo.wait)
    return new


def _rule(rule: Mapping[str, Any], tempo: Tempo, windows: Mapping[str, int]) -> dict[str, Any]:
    new = {**rule, "expr": promql.rewritten(rule["expr"], tempo, windows)}
    for name in {"for", "keep_firing_for"} & rule.keys():
        new[name] = promql.changed(rule[name], tempo.wait)
    return new


def recorded_windows(rules: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The range of each recorded series: its own longest, else that of the series it uses."""
    recorded = [(rule["record"], rule["expr"]) for rule in rules if "record" in rule]
    found = {name: max(own) for name, expression in recorded if (own := promql.ranges(expression))}
    while new := {
        name: max(inner)
        for name, expression in recorded
        if name not in found and (inner := [found[each] for each in promql.names(expression) if each in found])
    }:
        found |= new
    return found
