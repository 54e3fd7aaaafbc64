"""Mistakes in a PromQL expression, one at a time: (what was done, the expression with the mistake)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

import promql_parser
from promql_parser import BinaryExpr, Call, Expr

Mistakes = Iterator[tuple[str, str]]

SMALL = 50  # up to here an integer is changed by 1, beyond by half
#: what each operator is mistaken for
OPERATORS = {
    ">": ("<", ">="),
    "<": (">", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "and": ("or", "unless"),
    "or": ("and",),
    "unless": ("and", "or"),
    "/": ("*",),
    "*": ("/",),
    "+": ("-",),
    "-": ("+",),
}
#: aggregations and functions that are easily taken for one another
CALLS = {
    "sum": ("max", "min"),
    "max": ("min", "sum"),
    "min": ("max",),
    "rate": ("increase",),
    "increase": ("rate",),
    "max_over_time": ("min_over_time",),
    "avg_over_time": ("max_over_time",),
    "clamp_min": ("clamp_max",),
}
TOKEN = re.compile(
    r"""(?P<matcher>\w+(?:=~|!~|!=|=)"(?:[^"\\]|\\.)*")
    | \[(?P<window>\w+)\]
    | \boffset[ ](?P<offset>\w+)
    | \b(?:by|without|on|ignoring)[ ]\((?P<labels>[^()]*)\)
    | (?P<call>\b[a-z_]+\b)(?=[ ]?(?:by\b|without\b|\())
    | (?P<operator>>=|==|!=|[<>+*/]|(?<=[ ])-|\b(?:and|or|unless)\b)
    | (?P<number>(?<![\w:.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w:.]))
    | [A-Za-z_][\w:]*""",
    re.VERBOSE,
)
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"(.*)"')
BUCKETS = {"le": ("0.5", "1.0"), "upper": ("0.5", "0.65")}


def in_expression(expression: str) -> Mistakes:
    """Every single mistake that this program knows, that still is PromQL."""
    text = str(promql_parser.parse(expression))
    seen, times = {text}, Counter[str]()
    for what, changed in (*_in_tokens(text), *_in_structure(text)):
        if changed not in seen and _parses(changed):
            seen.add(changed)
            times[what] += 1
            yield what if times[what] == 1 else f"{what}, the {times[what]}. time", changed


def _parses(expression: str) -> bool:
    try:
        promql_parser.parse(expression)
    except ValueError:
        return False
    return True


def _in_tokens(text: str) -> Mistakes:
    for token in TOKEN.finditer(text):
        kind = token.lastgroup
        if kind is None:
            continue
        start, end = token.span(kind)
        for replacement in REPLACEMENTS[kind](token.group(kind)):
            yield f"{token.group(kind)} -> {replacement or 'nothing'}", text[:start] + replacement + text[end:]
    yield from _offsets_dropped(text)
    yield from _matchers_dropped(text)


def _offsets_dropped(text: str) -> Mistakes:
    for token in re.finditer(r" offset \w+", text):
        yield f"without{token.group()}", text[: token.start()] + text[token.end() :]


def _matchers_dropped(text: str) -> Mistakes:
    """Everywhere at once: one side alone finds no partner on the other, so nothing would change."""
    for matcher in dict.fromkeys(token.group("matcher") for token in TOKEN.finditer(text) if token.group("matcher")):
        yield f"without {matcher}", text.replace(matcher, "").replace("{,", "{")


def _durations(text: str) -> Iterator[str]:
    seconds = promql_parser.parse_duration(text).total_seconds()
    yield f"{seconds / 2:.0f}s"
    yield f"{seconds * 2:.0f}s"


def _numbers(text: str) -> Iterator[str]:
    value = float(text)
    if value <= SMALL and value == int(value):
        yield from (f"{value + 1:g}", f"{value - 1:g}" if value else "")
    else:
        yield from (f"{value * 1.5:.6g}", f"{value / 1.5:.6g}")


def _matchers(text: str) -> Iterator[str]:
    found = MATCHER.fullmatch(text)
    assert found is not None, text
    label, operator, value = found.groups()
    if label in BUCKETS:
        yield from (f'{label}{operator}"{other}"' for other in BUCKETS[label] if other != value)
        return
    opposite = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}[operator]
    yield f'{label}{opposite}"{value}"'


def _labels(text: str) -> Iterator[str]:
    labels = [label.strip() for label in text.split(",")]
    for dropped in labels:
        yield ", ".join(label for label in labels if label != dropped)


def _table(table: dict[str, tuple[str, ...]]) -> Callable[[str], Iterator[str]]:
    return lambda text: iter(table.get(text, ()))


REPLACEMENTS: dict[str, Callable[[str], Iterator[str]]] = {
    "matcher": _matchers,
    "window": _durations,
    "offset": _durations,
    "labels": _labels,
    "call": _table(CALLS),
    "operator": _table(OPERATORS),
    "number": _numbers,
}


def _in_structure(text: str) -> Mistakes:
    """A guard, an alternative or a function left out."""
    for what, pick in LEFT_OUT.items():
        position = 0
        while (changed := _replaced(text, position, pick)) is not None:
            yield what, changed
            position += 1


def _right_side(node: Expr) -> Expr | None:
    return node.lhs if isinstance(node, BinaryExpr) and _filters(node) else None


def _left_side(node: Expr) -> Expr | None:
    return node.rhs if isinstance(node, BinaryExpr) and str(node.op) in ("and", "or") else None


def _filters(node: BinaryExpr) -> bool:
    return str(node.op) in ("and", "or", "unless", ">", "<", ">=", "==")


def _call(node: Expr) -> Expr | None:
    if isinstance(node, Call) and node.func.name in ("absent", "clamp_min"):
        first: Expr = node.args[0]
        return first
    return None


LEFT_OUT: dict[str, Callable[[Expr], Expr | None]] = {
    "without the right side of a filter": _right_side,
    "without the left side of a filter": _left_side,
    "without a function": _call,
}


def _replaced(text: str, position: int, pick: Callable[[Expr], Expr | None]) -> str | None:
    """The expression with the position-th node that `pick` knows a replacement for replaced; None past the last."""
    count = 0

    def visit(node: Expr) -> Expr | None:
        nonlocal count
        replacement = pick(node)
        if replacement is None:
            return None
        count += 1
        return replacement if count == position + 1 else None

    changed = promql_parser.transform(promql_parser.parse(text), None, visit)
    return str(changed) if count > position else None
