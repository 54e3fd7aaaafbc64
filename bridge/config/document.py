"""YAML text to plain data, with the line of every path and the environment's values put in.

Invariant: variables are replaced after parsing, so that a value can never add YAML of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bridge.config.faults import Fault, Path, format_path

MAX_NODES = 100_000  # aliases can make a small file enormous
_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}|\$\{")
_MERGE = "tag:yaml.org,2002:merge"
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
# YAML 1.2 numbers only: in YAML 1.1 an unquoted 17:00 would become 1020.
_PLAIN: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"~|null|Null|NULL|"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"[-+]?(0|[1-9][0-9]{0,17})"), int),
    (re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}"), float),
)


@dataclass(slots=True)
class Document:
    """The data of one file. `raw` has the text of scalars that named a variable, as it stands in the file."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    raw: dict[Path, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    faulty: set[Path] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of the path, or of the nearest thing above it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, path: Path, message: str, hint: str = "") -> None:
        """A fault after which nothing more is said about the path, nor about what stands below it."""
        self.faulty.add(path)
        self.note(path, message, hint)

    def note(self, path: Path, message: str, hint: str = "") -> None:
        """A fault that says nothing about what stands below the path."""
        self.faults.append(self.place(path, message, hint))

    def place(self, path: Path, message: str, hint: str = "") -> Fault:
        return Fault(self.line(path), format_path(path), self._masked(message), hint)

    def _masked(self, message: str) -> str:
        """Show ${NAME} instead of what the environment has: it may be a secret in the wrong place."""
        for value in sorted(self.masks, key=len, reverse=True):
            message = message.replace(value, self.masks[value])
        return message

    def already_faulty(self, path: Path) -> bool:
        return any(path[: len(bad)] == bad for bad in self.faulty)


def read_document(text: str, environ: Mapping[str, str]) -> Document:
    """Parse; whatever is wrong is in `faults`, and the data is as complete as it can be."""
    document = Document()
    return _read(text, document, _Reader(document, environ))


def read_plain(text: str) -> Document:
    """The same for a file of Prometheus: ${...} and numbers stay text, merge keys (<<) work."""
    document = Document()
    return _read(text, document, _PlainReader(document, {}))


def _read(text: str, document: Document, reader: _Reader) -> Document:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        document.faults.append(_yaml_fault(error))
        return document
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        document.faults.append(Fault(1, "", f"this is not YAML: {error}"))
        return document
    if node is not None:
        document.data = reader.read(node, ())
    return document


def _yaml_fault(error: yaml.MarkedYAMLError) -> Fault:
    unclosed = "end of stream" in (error.problem or "")  # then the place where it opened says more
    mark = (error.context_mark if unclosed else None) or error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    why = " ".join(part for part in (error.context, error.problem) if part)
    return Fault(line, "", f"this is not YAML: {why} (column {column})", "look for a missing quote, colon or indent")


@dataclass(slots=True)
class _Reader:
    document: Document
    environ: Mapping[str, str]
    count: int = 0
    open_nodes: set[int] = field(default_factory=set)

    def read(self, node: yaml.Node, path: Path) -> Any:
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        self.count += 1
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if self.count > MAX_NODES or id(node) in self.open_nodes or len(path) > 100:
            self.document.fault(path, "the file is too deep or too large, or an alias contains itself")
            return None
        self.open_nodes.add(id(node))
        value = self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        self.open_nodes.discard(id(node))
        return value

    def _sequence(self, node: yaml.Node, path: Path) -> list[Any]:
        return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, line, value_node in self._pairs(node, path):
            here = (*path, key)
            if key in data:
                hint = f"the first is on line {self.document.lines[here]}; keep one of them"
                self.document.faults.append(Fault(line, format_path(here), f"a second {key!r}", hint))
                continue
            self.document.lines[here] = line
            data[key] = self.read(value_node, here)
        return data

    def _pairs(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, int, yaml.Node]]:
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.document.fault(path, "a key must be plain text", "quote text that starts with { or [")
            elif key_node.tag == _MERGE:
                self.document.fault(path, "merge keys (<<) are not supported", "write the keys out")
            else:
                yield str(key_node.value), key_node.start_mark.line + 1, value_node

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = str(node.value)
        if "${" in text:
            self.document.raw[path] = text
            value = self._substituted(text, path)
            self.document.masks.update({shown: text for shown in (value, repr(value)[1:-1]) if len(shown) > 3})
            return value
        if node.style is not None:
            return text
        return next((make(text) for pattern, make in _PLAIN if pattern.fullmatch(text)), text)

    def _substituted(self, text: str, path: Path) -> str:
        return _VARIABLE.sub(lambda found: self._variable(found, path), text)

    def _variable(self, found: re.Match[str], path: Path) -> str:
        if found[0] == "$${":
            return "${"
        inside = _INSIDE.fullmatch(found[1] or "")
        if inside is None:
            self.document.fault(path, f"{found[0]!r} is no variable", "write ${NAME} or ${NAME:-default}")
            return ""
        name, default = inside.groups()
        value = self.environ.get(name, "")
        if not value and default is None:
            state = "is empty" if name in self.environ else "is not set"
            self.document.fault(path, f"the environment variable {name} {state}", "set it where the bridge is started")
        return value or default or ""


class _PlainReader(_Reader):
    """As Go reads it into text: no variables, no types but "nothing"."""

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = str(node.value)
        return None if node.style is None and text in ("", "~", "null") else text

    def _pairs(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, int, yaml.Node]]:
        own = [pair for pair in node.value if pair[0].tag != _MERGE]
        if len(own) < len(node.value):
            node.value = [*self._merged(node, len(own), path), *own]
        yield from super()._pairs(node, path)

    def _merged(self, node: yaml.MappingNode, own: int, path: Path) -> list[tuple[yaml.Node, yaml.Node]]:
        """What << adds: of several the last, and never a key that the mapping has itself."""
        try:
            yaml.SafeLoader("").flatten_mapping(node)  # what is merged comes first, the mapping's own keys last
        except yaml.MarkedYAMLError:
            self.document.fault(path, "<< takes keys with values, or a list of such", "write <<: *name-of-an-anchor")
            return []
        count = len(node.value) - own
        mine = {str(key.value) for key, _ in node.value[count:]}
        merged = {str(key.value): (key, value) for key, value in node.value[:count]}
        return [pair for name, pair in merged.items() if name not in mine]
