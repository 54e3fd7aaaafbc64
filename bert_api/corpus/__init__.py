"""The labelled sentences that the heads are trained on: hand-written ones, and templates that are filled in.

Invariant: the same files always give the same sentences in the same order; a family is never split between training and
held-out part, so the held-out part shares no template with training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Literal

FOLDER = Path(__file__).resolve().parent
#: How many sentences one line of a template becomes.
FILLINGS = 14
#: One family of this many is held out.
HELD_OUT_EVERY = 5
Origin = Literal["written", "template", "feedback"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """`family` is what must not be split: the template's name, or the sentence itself when it was written by hand."""

    text: str
    toxic: bool
    category: str
    family: str
    origin: Origin

    @property
    def held_out(self) -> bool:
        """Fixed by the family's name alone, so that every version is judged on the same part."""
        return _number(self.family) % HELD_OUT_EVERY == 0


def load(folder: Path = FOLDER) -> list[Sentence]:
    """All of it, without duplicates, the hand-written sentences first."""
    slots = dict(_sections(folder / "slots.txt"))
    written = [one for path in _files(folder / "sentences") for one in _written(path)]
    filled = [one for path in _files(folder / "templates") for one in _filled(path, slots)]
    return list({one.text: one for one in [*filled, *written]}.values())[::-1]


def load_fresh(folder: Path = FOLDER) -> list[Sentence]:
    """Written after the training settings were fixed; nothing is ever tuned on it."""
    return list(_written(folder / "fresh.txt"))


def digest(sentences: Iterable[Sentence]) -> str:
    """SHA-256 in hex of texts and labels: what a version was trained on."""
    lines = sorted(f"{one.text}\t{one.toxic}" for one in sentences)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _written(path: Path) -> Iterator[Sentence]:
    for title, lines in _sections(path):
        label, category = (part.strip() for part in title.split("|"))
        for line in lines:
            yield Sentence(line, label == "toxic", category, line, "written")


def _filled(path: Path, slots: dict[str, list[str]]) -> Iterator[Sentence]:
    for title, lines in _sections(path):
        family, label, category = (part.strip() for part in title.split("|"))
        for line in lines:
            for text in _fill(line, slots):
                yield Sentence(text, label == "toxic", category, family, "template")


def _fill(line: str, slots: dict[str, list[str]]) -> Iterator[str]:
    """FILLINGS different ways to fill the line's slots, and to write the result, chosen by hashing."""
    for turn in range(FILLINGS):
        parts = []
        for position, (literal, slot, _, _) in enumerate(Formatter().parse(line)):
            parts.append(literal)
            if slot:
                choices = slots[slot]
                parts.append(choices[_number(f"{line}|{position}|{turn}") % len(choices)])
        yield _spell("".join(parts), _number(f"{line}|{turn}") % 10)


def _spell(text: str, manner: int) -> str:
    """As people write: three in ten all small, one of them without the full stop; the rest in order."""
    if manner == 0:
        return text.lower().rstrip(".")
    if manner in (1, 2):
        return text.lower()
    return text[0].upper() + text[1:]


def _sections(path: Path) -> list[tuple[str, list[str]]]:
    """`== title` lines and what follows each; empty lines do not count."""
    sections: list[tuple[str, list[str]]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            sections.append((line[3:].strip(), []))
        elif line.strip():
            sections[-1][1].append(line.strip())
    return sections


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.txt"))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
