"""Untrusted text made harmless: control characters gone, lengths cut. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

# C0 and C1 controls except newline and tab, lone surrogates (no encoder takes them), and the bidi overrides
# and isolates, with which a label value could reorder the text around it: https://www.unicode.org/reports/tr36/
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\x0b\x0c\x85]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LEFT_TO_RIGHT_MARK = "\u200e"
_BLANKS = re.compile(r"\s+")
ELLIPSIS = "…"


def clean(text: object) -> str:
    """Lines stay lines."""
    shown = str(text)
    if shown.isascii() and shown.isprintable():  # nearly every label; the two passes below are a tenth of a message
        return shown
    return _FORBIDDEN.sub("", _LINE_ENDS.sub("\n", shown))


def one_line(text: object) -> str:
    shown = str(text)
    if shown.isascii() and shown.isprintable() and "  " not in shown:
        return shown.strip()
    return _BLANKS.sub(" ", clean(text)).strip()


def beside(text: str) -> str:
    """For a text with numbers after it: one that is written from right to left would take them in.

    https://www.unicode.org/reports/tr9/#Implicit_Directional_Marks
    """
    return text + _LEFT_TO_RIGHT_MARK if not text.isascii() and _RIGHT_TO_LEFT.search(text) else text


def cut(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """At most `limit` in the vendor's own unit, with an ellipsis where something was left out."""
    if size(text) <= limit:
        return text
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle] + ELLIPSIS) <= limit else (low, middle - 1)
    return text[:low].rstrip() + ELLIPSIS if size(ELLIPSIS) <= limit else ""


def labelled(name: str, value: str) -> str:
    """`team="search"`, as a matcher has it and Prometheus shows it."""
    return f"{name}={json.dumps(value, ensure_ascii=False)}"


def utf16_units(text: str) -> int:
    """How JavaScript, and so much of Slack, counts characters: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
