"""The golden set: texts whose labels are known, of which a model is asked. Pure.

Invariant: a golden text stands in no repr, error, log, message or metric.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_TEXTS, LONGEST_TEXT, MOST_OCTETS = 500, 10_000, 2**20
LEAST_TEXTS = 10  #: with fewer, a difference says nothing


class GoldenFault(ValueError):
    """The golden texts cannot be used; the text says why, and repeats nothing of them."""


@dataclass(frozen=True, slots=True)
class GoldenText:
    label: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """digest: SHA-256 in hex; results of different sets are not compared."""

    texts: tuple[GoldenText, ...]
    digest: str

    @property
    def labels(self) -> frozenset[str]:
        return frozenset(each.label for each in self.texts)


def golden_set(content: bytes) -> GoldenSet:
    """From CSV with the columns `label` and `text`. Raises GoldenFault."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except UnicodeDecodeError:
        raise GoldenFault("it is not UTF-8") from None
    except csv.Error:
        raise GoldenFault("it is not CSV with the columns label and text") from None
    texts = tuple(_golden_text(number, row) for number, row in enumerate(rows, start=1))
    if not LEAST_TEXTS <= len(texts) <= MOST_TEXTS:
        raise GoldenFault(f"it has {len(texts)} texts; {LEAST_TEXTS} to {MOST_TEXTS} are of use")
    lines = "\n".join(f"{each.label}\t{each.text}" for each in texts)
    return GoldenSet(texts, hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest())


def _golden_text(number: int, row: Mapping[str | None, object]) -> GoldenText:
    label, text = row.get("label"), row.get("text")
    if not isinstance(label, str) or not isinstance(text, str) or None in row:
        raise GoldenFault(f"text {number} is not a label and a text: write them as CSV with quotes around commas")
    if not label.strip() or not text.strip() or len(label) > 64 or len(text) > LONGEST_TEXT:
        raise GoldenFault(f"text {number} or its label is empty or too long")
    return GoldenText(label.strip(), text)
