"""All mistakes in one rule: in its expression, its durations and its labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import promql_parser

from dev.tools.mutate_rules.expressions import in_expression
from dev.tools.mutate_rules.rule_files import Fields, Rule

#: what is added to a rule that has none, as a mistake of its own
DURATIONS = {"for": "10m", "keep_firing_for": "10m"}
SEVERITIES = ("critical", "warning", "info", "none")


@dataclass(frozen=True)
class Mutant:
    """A rule with one mistake. `what` distinguishes it from all others of this rule."""

    rule: Rule
    what: str
    fields: Fields

    @property
    def name(self) -> str:
        return f"{self.rule.name}: {self.what}"


def mutants_of(rule: Rule) -> Iterator[Mutant]:
    """In a fixed order, without any chance in it."""
    for what, expression in in_expression(str(rule.fields["expr"])):
        yield Mutant(rule, what, rule.fields | {"expr": expression})
    if "alert" in rule.fields:
        for field, added in DURATIONS.items():
            yield from _duration(rule, field, added)
        yield from _labels(rule)


def _duration(rule: Rule, field: str, added: str) -> Iterator[Mutant]:
    if field not in rule.fields:
        yield Mutant(rule, f"{field} {added} added", rule.fields | {field: added})
        return
    duration = str(rule.fields[field])
    seconds = promql_parser.parse_duration(duration).total_seconds()
    yield Mutant(rule, f"{field} dropped", {key: value for key, value in rule.fields.items() if key != field})
    for changed in (f"{seconds / 2:.0f}s", f"{seconds * 2:.0f}s"):
        yield Mutant(rule, f"{field} {duration} -> {changed}", rule.fields | {field: changed})


def _labels(rule: Rule) -> Iterator[Mutant]:
    labels: dict[str, str] = rule.fields["labels"]
    for label, value in labels.items():
        wrong = "mutated" if label != "severity" else SEVERITIES[(SEVERITIES.index(value) + 1) % len(SEVERITIES)]
        yield Mutant(rule, f"{label} {value} -> {wrong}", rule.fields | {"labels": labels | {label: wrong}})
