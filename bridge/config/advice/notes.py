"""Where the topics write what they find, and what they read: data that may have any shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.config.channel import ChannelTypes
from bridge.config.checks import mapping, routes, sequence
from bridge.config.document import Document
from bridge.config.faults import Fault, Path, format_path


@dataclass(frozen=True, slots=True)
class Advice:
    """Sorted by line."""

    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()


@dataclass(slots=True)
class Notes:
    """Paths in `faulty` have a fault already, and so has all that stands below them."""

    document: Document
    faulty: frozenset[str]
    now: datetime
    types: ChannelTypes
    faults: set[Fault] = field(default_factory=set)
    warnings: set[Fault] = field(default_factory=set)

    def fault(self, path: Path, message: str, hint: str) -> None:
        if not self.is_faulty(path):
            self.faults.add(self.document.place(path, message, hint))

    def warn(self, path: Path, message: str, hint: str) -> None:
        if not self.is_faulty(path):
            self.warnings.add(self.document.place(path, message, hint))

    def is_faulty(self, path: Path) -> bool:
        """The path itself, or something that it stands in."""
        return self.document.already_faulty(path) or any(
            format_path(path[:length]) in self.faulty for length in range(1, len(path) + 1)
        )

    def advice(self) -> Advice:
        return Advice(tuple(sorted(self.faults)), tuple(sorted(self.warnings)))

    @property
    def data(self) -> dict[str, Any]:
        return mapping(self.document.data)

    def channels(self) -> Iterator[tuple[Path, str, dict[str, Any]]]:
        """Path, name and keys of each."""
        for name, channel in mapping(self.data.get("channels")).items():
            yield ("channels", name), name, mapping(channel)

    def routes(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        return routes(self.data.get("route"), ("route",))


def texts(path: Path, values: Any) -> Iterator[tuple[Path, str]]:
    """The texts of a list, each with its path."""
    return (((*path, index), value) for index, value in enumerate(sequence(values)) if isinstance(value, str))
