"""Feedback: a CSV file of texts that users labelled, with the columns text and label.

Invariant: a file with any fault is refused whole, with its line; the texts themselves are never shown in an error.
"""

from __future__ import annotations

import csv
from pathlib import Path

from bert_api.corpus import Sentence

COLUMNS = ("text", "label")
_LABELS = {"toxic": True, "non_toxic": False, "1": True, "0": False}


class FeedbackError(Exception):
    """The file cannot be trained on."""


def read(path: Path) -> list[Sentence]:
    """Raises FeedbackError naming the file, the line, and what is expected."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            _check_columns(path, rows.fieldnames)
            sentences = [_sentence(path, rows.line_num, row) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FeedbackError(f"{path} cannot be read as CSV in UTF-8: {error}") from error
    if not sentences:
        raise FeedbackError(f"{path} holds no rows below its header. Add labelled texts, or leave the file out.")
    return sentences


def _check_columns(path: Path, seen: object) -> None:
    names = seen if isinstance(seen, list) else []
    if missing := [column for column in COLUMNS if column not in names]:
        raise FeedbackError(f"{path}: the first line must name the columns text,label; missing: {', '.join(missing)}.")


def _sentence(path: Path, line: int, row: dict[str, str | None]) -> Sentence:
    text, label = (row["text"] or "").strip(), (row["label"] or "").strip().lower()
    if not text:
        raise FeedbackError(f"{path}, line {line}: the text is empty.")
    if label not in _LABELS:
        raise FeedbackError(
            f"{path}, line {line}: the label is {label[:20]!r}; it must be one of {', '.join(_LABELS)}."
        )
    return Sentence(text, _LABELS[label], "feedback", text, "feedback")
