"""PromQL that no Prometheus takes. Placeholders are filled in first, as they are before a question is asked.

The parser follows Prometheus with some delay; what only a newer one could know is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser

from bridge.config.advice.notes import Notes, texts
from bridge.config.checks import mapping, sequence
from bridge.config.faults import Path
from bridge.core.context.questions import QuestionFault, check_expression, expression
from bridge.core.routing.matchers import Matcher

_PLACE = re.compile(r"labels\.([a-zA-Z_][a-zA-Z0-9_]*)")
_KEYS = {"questions": ("expr", "usual", "of"), "distributions": ("now", "baseline")}
#: Prometheus 3.x, MetricsQL, and numbers as Go writes them
_NEWER = re.compile(
    r"\b(smoothed|anchored|default|keep_metric_names|with)\b|\[[^\]]*[-+*/%^(][^\]]*\]|\d_\d", re.IGNORECASE
)
_DEEPEST = 100
_NO_NUMBERS = {
    "MatrixSelector": "a range, such as x[5m], is no number: put rate() around it",
    "StringLiteral": "text is no number",
}


def look(notes: Notes) -> None:
    context = mapping(notes.data.get("context"))
    scope = [name for _, name in texts((), context.get("labels", ["namespace", "job"]))]
    for path, promql in _expressions(context):
        if not notes.is_faulty(path):
            _look_at(notes, path, promql, scope)


def _expressions(context: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for section, keys in _KEYS.items():
        for index, entry in enumerate(sequence(context.get(section))):
            for key in keys:
                promql = mapping(entry).get(key)
                if isinstance(promql, str) and promql.strip():
                    yield ("context", section, index, key), promql


def _look_at(notes: Notes, path: Path, promql: str, scope: list[str]) -> None:
    try:
        check_expression(promql)
    except QuestionFault:
        return  # a fault of the file
    named = dict.fromkeys(_PLACE.findall(promql), "x")
    wrong = _wrong_with(promql, {**dict.fromkeys(scope, "x"), **named}, scope)
    if wrong and _may_be_newer(wrong, promql):
        notes.warn(path, f"this PromQL is not known: {wrong}", "right if your Prometheus takes it; else correct it")
    elif wrong:
        hint = 'try it in Prometheus, with namespace="x" and the like for {{ labels }} and 5m for {{ duration }}'
        notes.fault(path, f"this is no PromQL: {wrong}", hint)
    elif alone := _wrong_with(promql, named, []):
        message = f"for alerts that share none of {', '.join(scope)} this is no PromQL: {alone}"
        notes.warn(path, message, "give the selector a metric's name or a matcher of its own")


def _wrong_with(promql: str, labels: Mapping[str, str], scope: list[str]) -> str:
    """In the parser's words; empty when it is right."""
    filled = expression(promql, labels, scope)
    if filled is None:
        return ""
    if _depth(filled) > _DEEPEST:
        return "brackets are nested too deep"
    try:
        kind = type(promql_parser.parse(filled)).__name__
    except ValueError as error:
        return str(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # pyo3's, when the parser itself fails
            raise
        return "the parser fails"
    return _NO_NUMBERS.get(kind, "")


def _may_be_newer(wrong: str, promql: str) -> bool:
    if wrong.startswith(("unclosed", "unterminated", "unexpected right", "unexpected end")):
        return False
    if found := re.match(r"illegal regex for (.*)", wrong, re.DOTALL):
        return _is_regex(found[1])
    return "unknown function" in wrong or wrong == "the parser fails" or bool(_NEWER.search(promql))


def _is_regex(text: str) -> bool:
    """For RE2, which is Prometheus's own."""
    try:
        Matcher("label", "=~", text)
    except ValueError:
        return False
    return True


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest
