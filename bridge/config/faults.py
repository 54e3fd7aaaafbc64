"""Faults of a configuration file: all of them at once, each with its path, its line and what to do.

Invariant: a fault never shows the value of a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from bridge.core.errors import BridgeError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What is wrong (or, in a warning, worth knowing) at one place of the file."""

    line: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message}" + (f"; {self.hint}" if self.hint else "")

    def render(self, filename: str) -> str:
        """As compilers write it, so that editors can jump there."""
        return f"{filename}:{self.line}: {self}"


class ConfigurationFaults(BridgeError):
    """The configuration cannot be used; `faults` says everything that is wrong with it."""

    def __init__(self, filename: str, faults: Iterable[Fault], warnings: Iterable[Fault] = ()) -> None:
        self.filename = filename
        self.faults = tuple(sorted(set(faults)))
        self.warnings = tuple(sorted(set(warnings)))
        super().__init__("\n".join(fault.render(filename) for fault in self.faults))


def format_path(path: Path) -> str:
    """route.routes[1].notify[0]"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The hint for a name that is not known."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known here: {', '.join(known)}" if known else ""
