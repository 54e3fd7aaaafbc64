"""Limits on an alert's own expression. It comes with the alert, so any client with a source's token can choose it, and
thereby the load on Prometheus.

Only the text is checked: its windows, its subqueries' evaluations, and how many names it has.
Invariant: an expression that is not understood is not run.
"""

from __future__ import annotations

import re
from datetime import timedelta

from bridge.core.charts.expressions import STRING, masked

MAX_WINDOW = timedelta(days=7)
MAX_EVALUATIONS = 2000  #: of all subqueries, multiplied, for they may be nested
MAX_WORDS = 100  #: names of metrics, functions and labels outside of selectors
DEFAULT_STEP = 60.0  #: seconds; Prometheus takes its evaluation interval for a subquery without a step

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_DURATION = r"(?:\d+(?:ms|[smhdwy]))+|\d+(?:\.\d+)?"
_WINDOW = re.compile(rf"\s*({_DURATION})\s*(?:(:)\s*({_DURATION})?\s*)?")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
#: No name is looked for within a name: of 4,000 letters that would take seconds, in which nothing is sent.
_SELECTOR = re.compile(r"(?:(?<![A-Za-z0-9_:.])([A-Za-z_:][A-Za-z0-9_:.]*+))? ?\{([^{}]*)\}")
_BLANKS = re.compile(r"\s+")
_NAMED = re.compile(rf"(?:^|,)\s*(?:__name__\s*=\s*)?{STRING}\s*(?:,|$)")
_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:.]*")
#: Words that may precede a selector without being its metric name.
_OPERATORS = {"and", "or", "unless", "atan2", "bool", "on", "ignoring", "group_left", "group_right", "by", "without"}


def too_much(expr: str) -> str | None:
    """Why it is not run; None when it may be."""
    try:
        text = masked(expr)
    except ValueError as fault:
        return str(fault)
    return _windows_fault(text) or _selectors_fault(text)


def _windows_fault(text: str) -> str | None:
    windows = [_WINDOW.fullmatch(found[1]) for found in _BRACKETS.finditer(text)]
    if len(windows) != text.count("["):
        return "it has nested brackets"
    evaluations = 1.0
    for window in windows:
        if window is None:
            return "it has a window that is not a duration"
        seconds = _seconds(window[1])
        if seconds > MAX_WINDOW.total_seconds():
            return f"it looks back over [{window[1]}], more than {MAX_WINDOW.days} d"
        step = _seconds(window[3]) if window[3] else DEFAULT_STEP
        if window[2]:
            evaluations *= max(1.0, seconds / step) if step else float("inf")
    if evaluations > MAX_EVALUATIONS:
        return f"its subqueries are evaluated {evaluations:.0f} times, more than {MAX_EVALUATIONS}"
    return None


def _selectors_fault(expr: str) -> str | None:
    text = _BLANKS.sub(" ", expr)
    selectors = list(_SELECTOR.finditer(text))
    if len(selectors) != text.count("{"):
        return "it has nested selectors"
    for found in selectors:
        named = found[1] and found[1].lower() not in _OPERATORS
        if not named and not _NAMED.search(found[2]):
            return "it has a selector without a metric name, which may match every series"
    words = len(_WORD.findall(_SELECTOR.sub(r"\1 ", text)))
    return f"it has {words} names, more than {MAX_WORDS}" if words > MAX_WORDS else None


def _seconds(duration: str) -> float:
    parts = _PART.findall(duration)
    return sum(int(number) * _UNITS[unit] for number, unit in parts) if parts else float(duration)
