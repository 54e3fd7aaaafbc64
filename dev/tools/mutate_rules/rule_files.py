"""The rules and their tests as data, cut down to what one rule needs: so that a mutant is judged quickly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

Fields = dict[str, Any]
RECORDED = re.compile(r"\w+:\w+:\w+")


@dataclass(frozen=True)
class Rule:
    """One rule: where it stands, and its fields as YAML gives them."""

    file: str
    group: str
    fields: Fields

    @property
    def name(self) -> str:
        """The alert's name, or the recorded series with what distinguishes it from others of that name."""
        if "alert" in self.fields:
            return str(self.fields["alert"])
        told_apart = "".join(f"{{{key}={value}}}" for key, value in self.fields.get("labels", {}).items())
        return f"{self.fields['record']}{told_apart}"

    @property
    def produces(self) -> str:
        return str(self.fields.get("alert") or self.fields["record"])


@dataclass(frozen=True)
class RuleSet:
    rules: tuple[Rule, ...]

    def needed_by(self, rule: Rule) -> tuple[Rule, ...]:
        """The rule and every recording rule that it stands on, in the order of the files."""
        wanted, open_ends = {rule.produces}, [rule]
        while open_ends:
            read = recorded_in(open_ends.pop())
            found = [each for each in self.rules if each.produces in read and each.produces not in wanted]
            wanted |= {each.produces for each in found}
            open_ends += found
        return tuple(each for each in self.rules if each.produces in wanted)


def representatives(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Of rules that record one series, the first two and the last: generated bins differ by their bounds only."""
    alike: dict[str, list[Rule]] = {}
    for rule in rules:
        alike.setdefault(rule.produces, []).append(rule)
    return tuple(rule for same in alike.values() for rule in (same if len(same) < 4 else [*same[:2], same[-1]]))


def recorded_in(rule: Rule) -> set[str]:
    """The recorded series that a rule reads, in its expression or for the text of its annotations."""
    texts = (rule.fields["expr"], *rule.fields.get("annotations", {}).values())
    return {name for text in texts for name in RECORDED.findall(text)}


def metrics_in(expression: str) -> set[str]:
    """The names of all series that an expression reads."""
    names: set[str] = set()

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector) and node.name:
            names.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return names


def read_rules(folder: Path) -> RuleSet:
    """All rules of a folder. Raises ValueError when there is none, for then every mutant would seem to be caught."""
    rules = tuple(rule for file in sorted(folder.glob("*.yml")) for rule in _rules_of(file))
    if not rules:
        raise ValueError(f"{folder} contains no rule files (*.yml)")
    return RuleSet(rules)


def _rules_of(file: Path) -> Iterator[Rule]:
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
        for fields in group["rules"]:
            yield Rule(file.name, group["name"], fields)


def read_tests(folder: Path) -> tuple[Fields, ...]:
    """The content of every promtool test file."""
    return tuple(yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*_test.yml")))


def rules_document(rules: tuple[Rule, ...]) -> Fields:
    """A rule file of these rules, in their groups and their order."""
    groups: dict[str, list[Fields]] = {}
    for rule in rules:
        groups.setdefault(rule.group, []).append(rule.fields)
    return {"groups": [{"name": name, "rules": members} for name, members in groups.items()]}


def tests_about(rule: Rule, files: tuple[Fields, ...], rule_file: str) -> tuple[Fields, ...]:
    """The test files, with only those cases and questions that ask for what this rule makes."""
    cut = (file | {"rule_files": [rule_file], "tests": _cases(rule, file["tests"])} for file in files)
    return tuple(file for file in cut if file["tests"])


def _cases(rule: Rule, cases: list[Fields]) -> list[Fields]:
    about = (case | {key: _asked(rule, case.get(key, [])) for key in QUESTIONS} for case in cases)
    return [case for case in about if any(case[key] for key in QUESTIONS)]


QUESTIONS = ("alert_rule_test", "promql_expr_test")


def _asked(rule: Rule, questions: list[Fields]) -> list[Fields]:
    if "alert" in rule.fields:
        return [each for each in questions if each.get("alertname") == rule.produces]
    return [each for each in questions if rule.produces in metrics_in(each.get("expr", "vector(1)"))]
