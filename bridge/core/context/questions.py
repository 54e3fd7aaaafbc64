"""Questions to Prometheus about an incident: configuration, not code.

In a question's PromQL `{{ labels }}` stands for the matchers of the labels that the incident's alerts share
(`namespace="ml",job="api"`), `{{ labels.pod }}` for one value inside a quoted string, `[{{ duration }}]` for how
long the incident has lasted, and `[{{ window }}]` for the shortest time over which a rate is measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from bridge.core.facts import Unit
from bridge.core.routing.matchers import Matcher

_PLACE = re.compile(r"\{\{\s*(?:labels(?:\.([a-zA-Z_][a-zA-Z0-9_]*))?|(duration|window))\s*\}\}")
MINUTE = timedelta(minutes=1)
_ANY_PLACE = re.compile(r"\{\{(?!\{).*?\}\}", re.DOTALL)
_QUOTE = re.compile(r'(?<!\\)"')
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
#: What a question's answer may prove. Those of HISTORIES are asked over time, from before the incident until now.
HISTORIES = ("failures", "slowness", "outputs", "versions", "targets", "load", "memory", "starts", "inputs")
#: Of these, what an alert is about: bad ones out of all, by pod and version.
SYMPTOMS = ("failures", "slowness", "outputs")
ROLES = (
    *HISTORIES, "errors_by_version", "errors_by_pod", "pods_by_version", "pods_up", "pods_failing", "version_began",
    "traffic", "saturation", "drift", "error_types", "probe", "peak", "",
)  # fmt: skip


class QuestionFault(ValueError):
    """The PromQL has an unknown placeholder; the text says which are known."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question. Questions are ordered by importance: the last ones are truncated first."""

    name: str
    title: str
    unit: Unit
    expr: str
    by: str | None = None  #: the label of the answer's parts; the other labels are not shown
    usual: str | None = None  #: PromQL of the usual value
    of: str | None = None  #: PromQL of the whole that the answer is a part of; with `by`, of each part's own
    ago: tuple[timedelta, ...] = ()  #: also ask for these times before now
    bad_above: float | None = None
    bad_below: float | None = None
    bad_times_usual: float | None = None  #: bad when so many times the usual value
    bad_unless_all: bool = False  #: bad when less than `of`
    matchers: tuple[Matcher, ...] = ()  #: for alerts that match all of these; none: for every alert
    role: str = ""

    def concerns(self, alerts: Iterable[Mapping[str, str]]) -> bool:
        """Whether it applies to any of the alerts, given by their labels."""
        return not self.matchers or any(all(m.matches(labels) for m in self.matchers) for labels in alerts)


@dataclass(frozen=True, slots=True)
class DistributionQuestion:
    """A histogram and its baseline: configuration, as a Question is."""

    title: str
    unit: Unit
    now: str  #: PromQL of cumulative counts or rates by `le`
    baseline: str  #: PromQL of the same or of a CDF
    baseline_bound: str = "le"  #: the baseline's label that holds the upper bound
    now_name: str = "now"
    baseline_name: str = "training"
    matchers: tuple[Matcher, ...] = ()  #: for alerts that match all of these; none: for every alert

    def concerns(self, alerts: Iterable[Mapping[str, str]]) -> bool:
        """As a Question does."""
        return not self.matchers or any(all(m.matches(labels) for m in self.matchers) for labels in alerts)


def check_expression(expr: str) -> None:
    """Raises QuestionFault for an unknown placeholder, or one where a value could inject PromQL."""
    for found in _ANY_PLACE.finditer(expr):
        place = _PLACE.fullmatch(found[0])
        if place is None:
            known = "{{ labels }}, {{ labels.NAME }}, {{ duration }} or {{ window }}"
            raise QuestionFault(f"{found[0]!r} is not a known placeholder; write {known}")
        quoted = len(_QUOTE.findall(expr[: found.start()])) % 2 == 1
        if place[1] and not quoted:
            raise QuestionFault(f'{found[0]!r} must stand inside "double quotes", where no value can add PromQL')
        if not place[1] and quoted:
            what = (
                "a time: take it out of the quotes, into [...]"
                if place[2]
                else "whole matchers: take it out of the quotes, into {...}"
            )
            raise QuestionFault(f"{found[0]!r} stands for {what}")


def expression(
    expr: str, labels: Mapping[str, str], scope: Iterable[str], lasted: timedelta = MINUTE, step: timedelta = MINUTE
) -> str | None:
    """The PromQL for these labels; None when one that it needs is missing.

    step: between two points of a history. A window is two of them, so that each has the two samples that a rate needs.

    Values are untrusted: they go only into quoted strings, escaped, so that none can inject PromQL.
    """
    names = {found[1] for found in _PLACE.finditer(expr) if found[1]}
    if any(not labels.get(name) for name in names):
        return None
    selector = ",".join(f'{name}="{_escaped(labels[name])}"' for name in scope if labels.get(name))
    minutes = max(1, math.ceil(lasted / MINUTE))  # whole minutes, so that concurrent queries are identical

    def put_in(found: re.Match[str]) -> str:
        if found[2]:
            return f"{minutes}m" if found[2] == "duration" else f"{2 * int(step.total_seconds())}s"
        return _escaped(labels[found[1]]) if found[1] else selector

    return _PLACE.sub(put_in, expr)


def common_labels(alerts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The labels that all alerts share; names that a selector cannot contain are left out."""
    every = list(alerts)
    first = every[0] if every else {}
    shared = {name: value for name, value in first.items() if all(each.get(name) == value for each in every)}
    return {name: value for name, value in shared.items() if _LABEL_NAME.fullmatch(name)}


def _escaped(value: str) -> str:
    """For a double-quoted string: https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals"""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
