"""Splits an alert's own expression for its chart: the series, and the number that it is compared with.

Only brackets, quotes and operators are read; PromQL is not parsed.
Invariant: in doubt the chart shows the whole expression, without a threshold, and never anything made up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

MAX_URL = 16_000  # characters
MAX_EXPRESSION = 4_000  # characters; a longer one is not charted, and may be an attack
MAX_DEPTH = 5
MAX_BRACKETS = 20  # around one another

STRING, NO_STRING = "\x01", "\x02"

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:.]*")
_COMPARISON = re.compile(r"[<>]=?|==|!=")
_LITERAL = r"(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_NUMBER = re.compile(rf"[+-]?\s*{_LITERAL}(?:\s*[*/]\s*[+-]?{_LITERAL})*")
_LARGEST = re.compile(r"(max|min)\b", re.IGNORECASE)
_AGGREGATION = re.compile(r"(?:max|min)\s*(?:(?:by|without)\s*\([^()]*\))?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Threshold:
    """The comparison with a number: `> 0.05`."""

    operator: str  #: > | < | >= | <= | == | !=
    number: float


@dataclass(frozen=True, slots=True)
class Charted:
    """What to chart for an alert; without a threshold when its expression has no obvious one."""

    expr: str
    threshold: Threshold | None = None


def expression_in(generator_url: str) -> str | None:
    """The alert's PromQL in Prometheus' link to it (`/graph?g0.expr=...`); None if missing or too long."""
    if len(generator_url) > MAX_URL:
        return None
    try:
        fields = parse_qs(urlsplit(generator_url).query, max_num_fields=50)
    except ValueError:
        return None
    expr = fields.get("g0.expr", [""])[0].strip()
    return expr if expr and len(expr) <= MAX_EXPRESSION else None


def drawn_of(expr: str) -> Charted:
    """The series to chart, and its threshold. Guards (`and ... >= 20`, `unless ...`) are left out."""
    return _split(expr, 0) or Charted(expr.strip())


def _split(expr: str, depth: int) -> Charted | None:
    """None in doubt."""
    inner = _unwrapped(expr)
    tokens = None if inner is None or depth > MAX_DEPTH else _top_level(inner)
    if inner is None or tokens is None or any(token.group().lower() == "or" for token in tokens):
        return None
    guard = next((token for token in tokens if token.group().lower() in ("and", "unless")), None)
    if guard is not None:
        return _split(inner[: guard.start()], depth + 1)
    comparisons = [token for token in tokens if _COMPARISON.fullmatch(token.group())]
    if len(comparisons) == 1:
        return _compared(inner, comparisons[0])
    return _largest(inner, depth) if not comparisons else None


def _compared(expr: str, operator: re.Match[str]) -> Charted | None:
    left, right = expr[: operator.start()].strip(), expr[operator.end() :].strip()
    if re.match(r"bool\b", right, re.IGNORECASE):  # the result is 0 or 1, which is what the alert means
        return None
    if left and (number := _number(right)) is not None:
        return Charted(left, Threshold(operator.group(), number))
    if right and (number := _number(left)) is not None:
        return Charted(right, Threshold(_MIRRORED[operator.group()], number))
    return None


def _largest(expr: str, depth: int) -> Charted | None:
    """`max by (job) (x > 2)` equals `max by (job) (x)` wherever that is above 2; likewise for min and below."""
    aggregation = _LARGEST.match(expr)
    brackets = list(_outermost(expr)) if aggregation else []
    if aggregation is None or not brackets or brackets[-1][1] != len(expr):
        return None
    begin, end = brackets[-1]
    if not _AGGREGATION.fullmatch(expr[:begin]):
        return None
    found = _split(expr[begin + 1 : end - 1], depth + 1)
    keeps = (">", ">=") if aggregation[1].lower() == "max" else ("<", "<=")
    if found is None or found.threshold is None or found.threshold.operator not in keeps:
        return None
    return Charted(f"{expr[:begin]}({found.expr})", found.threshold)


def _number(text: str) -> float | None:
    """The value of a literal, or of a product such as a burn rate's `14.4 * 0.05`."""
    inner = _unwrapped(text)
    if inner is None or not _NUMBER.fullmatch(inner):
        return None
    value, operator = 1.0, "*"
    for part in re.split(r"([*/])", inner.replace(" ", "")):
        if part in ("*", "/"):
            operator = part
            continue
        factor = float(int(part, 16)) if "x" in part.lower() else float(part)
        if operator == "/" and not factor:
            return None
        value = value * factor if operator == "*" else value / factor
    return value if math.isfinite(value) else None


def _unwrapped(expr: str) -> str | None:
    """Without enclosing round brackets; None when brackets or quotes do not match."""
    text = expr.strip()
    for _ in range(MAX_BRACKETS):
        if _top_level(text) is None:
            return None
        if next(_outermost(text), None) != (0, len(text)):
            return text
        text = text[1:-1].strip()
    return None


def _outermost(text: str) -> Iterator[tuple[int, int]]:
    """Begin and end of each outermost pair of round brackets."""
    begin = 0
    for at, letter, depth in _code(text):
        if letter == "(" and depth == 1:
            begin = at
        elif letter == ")" and depth == 0:
            yield begin, at + 1


def _top_level(text: str) -> list[re.Match[str]] | None:
    """The words and comparisons outside all brackets and quotes; None when those do not match."""
    plain = [" "] * len(text)
    depth = 0
    try:
        for at, letter, depth in _code(text):
            if not depth and letter not in ")]}":
                plain[at] = letter
    except ValueError:
        return None
    return None if depth else list(re.finditer(rf"{_WORD.pattern}|{_COMPARISON.pattern}", "".join(plain)))


def _code(text: str) -> Iterator[tuple[int, str, int]]:
    """Index, letter and bracket depth after it, of all that is not in quotes or a comment.

    Raises ValueError where brackets or quotes do not match.
    https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals
    """
    stack: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        if letter in "\"'`":
            at = _end_of_string(text, at)
            continue
        if letter == "#":
            at = (text + "\n").index("\n", at)
            continue
        if letter in _CLOSING:
            stack.append(_CLOSING[letter])
        elif letter in ")]}" and (not stack or stack.pop() != letter):
            raise ValueError(f"{letter} at {at} closes nothing")
        yield at, letter, len(stack)
        at += 1
    if stack:
        raise ValueError(f"{stack[-1]} is missing at the end")


def masked(text: str) -> str:
    """The text at its length, with strings as STRING and blanks (NO_STRING if empty), and comments as blanks.

    Raises ValueError where brackets or quotes do not match.
    """
    kept = {at: letter for at, letter, _ in _code(text)}
    plain, at = "", 0
    while at < len(text):
        end = at + 1
        if at in kept:
            plain += text[at]
        elif text[at] == "#":
            end = (text + "\n").index("\n", at)
            plain += " " * (end - at)
        else:
            end = _end_of_string(text, at)
            plain += (STRING if end - at > 2 else NO_STRING).ljust(end - at)
        at = end
    return plain


def _end_of_string(text: str, begin: int) -> int:
    """Index after the closing quote; backticks know no escapes."""
    quote, at = text[begin], begin + 1
    while at < len(text):
        if text[at] == "\\" and quote != "`":
            at += 1
        elif text[at] == quote:
            return at + 1
        at += 1
    raise ValueError(f"the string at {begin} has no end")
