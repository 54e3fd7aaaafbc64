"""What the traffic says.

Ordinary and rude sentences are the corpus's held-out ones: no version was trained on them, and the baseline of the
confidence was measured on such, so normal traffic drifts from nothing. The strange ones are for drift: slang, other
languages and broken letters, chosen (choosing.py) because the shipped versions are unsure of them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from bert_api import corpus

PARAGRAPH = 8  # sentences
OTHER = "xx"  # no language at all

STRANGE_FILE = Path(__file__).with_name("strange.txt")


def lines_of(file: Path) -> list[tuple[str, str]]:
    """(language, text) of each line but comments."""
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("\t") for line in lines if line and not line.startswith("#"))
    return [(language, text) for language, _, text in pairs]


@dataclass(frozen=True)
class Sentences:
    """Each answers with (language, text); randomness is an argument."""

    ordinary: tuple[str, ...]
    rude: tuple[str, ...]
    strange: tuple[tuple[str, str], ...]

    def any_ordinary(self, chance: random.Random) -> tuple[str, str]:
        return "en", chance.choice(self.ordinary)

    def any_rude(self, chance: random.Random) -> tuple[str, str]:
        return "en", chance.choice(self.rude)

    def any_strange(self, chance: random.Random) -> tuple[str, str]:
        return chance.choice(self.strange)

    def paragraph(self, chance: random.Random) -> tuple[str, str]:
        """Long, as a letter to an editor is."""
        return "en", " ".join(chance.choices(self.ordinary, k=PARAGRAPH))


def from_corpus() -> Sentences:
    held_out = [sentence for sentence in corpus.load() if sentence.held_out]
    ordinary = tuple(sentence.text for sentence in held_out if not sentence.toxic)
    rude = tuple(sentence.text for sentence in held_out if sentence.toxic)
    return Sentences(ordinary, rude, tuple(lines_of(STRANGE_FILE)))
