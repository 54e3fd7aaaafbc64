"""Sanitizes untrusted text: removes control characters, limits lengths. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

# C0 and C1 controls except newline and tab, lone surrogates (no encoder takes them), and the bidi overrides
# and isolates, with which a label value could reorder the text around it: https://www.unicode.org/reports/tr36/
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\x0b\x0c\x85]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LEFT_TO_RIGHT_MARK = "\u200e"
_BLANKS = re.compile(r"\s+")
ELLIPSIS = "…"


def clean(text: object) -> str:
    """Without control and bidirectional characters; line breaks are kept."""
    shown = str(text)
    # Whatever is forbidden is not printable to Python, nor is any line end: nearly every text is shown as it is
    if shown.replace("\n", "").isprintable():
        return shown
    return _FORBIDDEN.sub("", _LINE_ENDS.sub("\n", shown))


def one_line(text: object) -> str:
    shown = str(text)
    if shown.isprintable() and "  " not in shown:  # the only printable blank is the space
        return shown.strip()
    return _BLANKS.sub(" ", clean(text)).strip()


def beside(text: str) -> str:
    """For a text that numbers follow: right-to-left text would otherwise reorder them.

    https://www.unicode.org/reports/tr9/#Implicit_Directional_Marks
    """
    return text + _LEFT_TO_RIGHT_MARK if not text.isascii() and _RIGHT_TO_LEFT.search(text) else text


def cut(text: str, limit: int, size: Callable[[str], int] = len) -> str:
    """At most `limit` in the vendor's own unit, with an ellipsis if truncated."""
    if size(text) <= limit:
        return text
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle] + ELLIPSIS) <= limit else (low, middle - 1)
    return text[:low].rstrip() + ELLIPSIS if size(ELLIPSIS) <= limit else ""


def labelled(name: str, value: str) -> str:
    """`team="search"`, as in a matcher."""
    return f"{name}={json.dumps(value, ensure_ascii=False)}"


def pairs(labels: Mapping[str, str], between: str = "  ") -> str:
    """`team=search  zone=b`"""
    return between.join(f"{name}={value}" for name, value in labels.items())


def utf16_units(text: str) -> int:
    """The length as JavaScript, and much of Slack, counts it: an emoji is two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
