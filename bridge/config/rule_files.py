"""Prometheus rule files: which there are, and their alerting rules with the line of each.

Invariant: only the shape that the coverage needs is judged here; `promtool check rules` judges the rest. Never a
traceback.

https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from bridge.config.document import Document, read_plain
from bridge.config.faults import Fault, Path, format_path
from bridge.core.routing.rule_coverage import AlertRule

_ENDINGS = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class PlacedRule:
    """An alerting rule and where it stands."""

    rule: AlertRule
    line: int
    path: str


@dataclass(frozen=True, slots=True)
class RuleFile:
    filename: str
    rules: tuple[PlacedRule, ...] = ()
    faults: tuple[Fault, ...] = ()


def read_rule_files(paths: Iterable[FilePath]) -> tuple[RuleFile, ...]:
    """Files as they are; of a folder its *.yml and *.yaml, without the folders in it (promtool's tests, say)."""
    return tuple(read for path in paths for read in _read_path(path))


def rules_in(text: str, filename: str = "rules.yml") -> RuleFile:
    """Every alerting rule that can be read, and a fault for each thing that cannot."""
    document = read_plain(text)
    rules = tuple(_rules(document)) if not document.faults or document.data is not None else ()
    return RuleFile(filename, rules, tuple(sorted(document.faults)))


def _read_path(path: FilePath) -> Iterator[RuleFile]:
    if not path.is_dir():
        yield _read_file(path)
        return
    files = sorted(file for file in path.iterdir() if file.suffix in _ENDINGS and file.is_file())
    yield from (_read_file(file) for file in files)
    if not files:
        hint = "name the folder of the rules with --rules, or say --no-rules"
        yield RuleFile(str(path), faults=(Fault(1, "", "there is no *.yml or *.yaml in this folder", hint),))


def _read_file(path: FilePath) -> RuleFile:
    try:
        return rules_in(path.read_text("utf-8"), str(path))
    except OSError as error:
        return RuleFile(str(path), faults=(Fault(1, "", f"the file cannot be read: {error.strerror}"),))
    except UnicodeDecodeError as error:
        wrong = f"the file is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        return RuleFile(str(path), faults=(Fault(1, "", wrong),))


def _rules(document: Document) -> Iterator[PlacedRule]:
    if document.data is None:
        return  # an empty file is a good file for Prometheus
    for path, group in _each(document, document.data, (), "groups", "a rule file starts with groups:"):
        shared = _texts(document, (*path, "labels"), group.get("labels"))
        for rule_path, rule in _each(document, group, path, "rules", "a group has a name and a list of rules"):
            placed = _rule(document, rule_path, rule, shared)
            if placed is not None:
                yield placed


def _each(document: Document, holder: Any, path: Path, key: str, hint: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The mappings in the list under the key; a fault for everything that is neither."""
    if not isinstance(holder, dict):
        document.fault(path, "should be keys with values", hint)
        return
    entries = holder.get(key)
    if not isinstance(entries, list):
        if key not in holder or entries is not None:
            document.fault((*path, key), "is missing" if key not in holder else "should be a list", hint)
        return
    for index, entry in enumerate(entries):
        here = (*path, key, index)
        if isinstance(entry, dict):
            yield here, entry
        elif not document.already_faulty(here):
            document.fault(here, "should be keys with values", hint)


def _rule(document: Document, path: Path, rule: dict[str, Any], shared: dict[str, str]) -> PlacedRule | None:
    if "record" in rule and "alert" not in rule:
        return None
    name = rule.get("alert")
    if not isinstance(name, str) or not name:
        document.fault(path, "is neither an alert nor a record", "write alert: NameOfTheAlert and expr: ...")
        return None
    if not isinstance(rule.get("expr"), str) or not rule["expr"].strip():
        document.fault((*path, "expr"), f"{name} has no expression", "write the PromQL that is true when it is bad")
    labels = {**shared, **_texts(document, (*path, "labels"), rule.get("labels"))}
    found = AlertRule(name, labels, _texts(document, (*path, "annotations"), rule.get("annotations")))
    return PlacedRule(found, document.line((*path, "alert")), format_path(path))


def _texts(document: Document, path: Path, data: Any) -> dict[str, str]:
    if data is None:
        return {}
    if not isinstance(data, dict):
        document.fault(path, "should be keys with values", "write name: value, each on a line of its own")
        return {}
    for name, value in data.items():
        if isinstance(value, dict | list):
            document.fault((*path, name), "should be text", "put it in quotes if it has : { or # in it")
    return {name: value or "" for name, value in data.items() if value is None or isinstance(value, str)}
