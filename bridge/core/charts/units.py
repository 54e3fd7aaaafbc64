"""The unit of an expression, from its metric names: https://prometheus.io/docs/practices/naming/

Invariant: a unit is given only when one metric's name states it; everything else is a plain number.
"""

from __future__ import annotations

import re

from bridge.core.facts import Unit

_STRING = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`', re.DOTALL)
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*(?:\([^()]*\))?", re.IGNORECASE)
_MODIFIER = re.compile(r"\b(?:offset\s+-?\w+|@\s*\S+)", re.IGNORECASE)
_FUNCTION = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_ARITHMETIC = re.compile(r"[-+*/%^]|\b(?:atan2|and|or|unless)\b|[<>=!]=?", re.IGNORECASE)
_RATES = {"rate", "irate"}
#: Functions that keep the unit of their argument.
_SAME = {"max", "min", "avg", "sum", "topk", "bottomk", "quantile", "last_over_time", "max_over_time", "min_over_time"}
_SAME |= {"avg_over_time", "quantile_over_time", "clamp_min", "clamp_max", "abs", "sort", "sort_desc"}


def unit_of(expr: str) -> Unit:
    """A ratio for `job:errors:ratio_rate5m`, seconds for `histogram_quantile(.., x_seconds_bucket ..)`, and so on."""
    text = _STRING.sub("", expr)
    text = re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]", " ", text)
    text = _MODIFIER.sub(" ", _GROUPING.sub(" ", text))
    functions = {name.lower() for name in _FUNCTION.findall(text)}
    rest = _FUNCTION.sub("(", text)
    metrics = [name for name in _METRIC.findall(rest) if not name[0].isdigit()]
    if len(metrics) != 1 or _ARITHMETIC.search(rest):
        return Unit.NUMBER
    return _unit_of_metric(metrics[0], functions)


def _unit_of_metric(metric: str, functions: set[str]) -> Unit:
    if "histogram_quantile" in functions:
        return _suffixed(metric.removesuffix("_bucket"))
    if functions & _RATES:
        counts = metric.endswith(("_total", "_count")) and not metric.endswith(("_seconds_total", "_bytes_total"))
        return Unit.PER_SECOND if counts else Unit.NUMBER
    if functions - _SAME:
        return Unit.NUMBER
    if metric.count(":") < 2:
        return _suffixed(metric)
    return _recorded(*metric.split(":")[-2:])


def _recorded(metric: str, operations: str) -> Unit:
    """Of `level:metric:operations`: https://prometheus.io/docs/practices/rules/"""
    newest = operations.split("_")[0]
    if newest == "ratio":
        return Unit.RATIO
    if re.fullmatch(r"p\d+|mean|avg|max|min|sum|median\w*", newest) and not metric.endswith(("_count", "_total")):
        return _suffixed(metric)
    if (
        re.match(r"rate\d", newest)
        and "_bytes" not in metric
        and (metric.endswith("_count") or "_seconds" not in metric)
    ):
        return Unit.PER_SECOND
    return Unit.NUMBER


def _suffixed(metric: str) -> Unit:
    if metric.endswith("timestamp_seconds"):
        return Unit.NUMBER
    units = {"_seconds": Unit.SECONDS, "_bytes": Unit.BYTES, "_ratio": Unit.RATIO}
    return next((unit for suffix, unit in units.items() if metric.endswith(suffix)), Unit.NUMBER)
