"""The recorded series and alerts of rules/*.yml, as a Prometheus has them that evaluated the rules all the time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from dev.drills.prometheus import Curve, Prometheus
from dev.drills.remote_write import STALE, Series
from dev.drills.scenario import HISTORY_SECONDS
from dev.drills.shapes import Floats
from dev.drills.timeline import FINE_FOR, TAIL_SECONDS, Times, grid
from dev.stack.places import ROOT
from dev.stack.promql import milliseconds

COARSE_SECONDS, STEP_SECONDS = 240, 30
PARALLEL = 3
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*:[a-zA-Z0-9_:]+")


@dataclass(frozen=True)
class Recording:
    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AlertRule:
    """Times in seconds; the texts are templates."""

    name: str
    expression: str
    for_seconds: float
    keep_firing_seconds: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def read(folder: Path = ROOT / "rules") -> tuple[list[Recording], list[AlertRule]]:
    recordings, alerts = [], []
    for path in sorted(folder.glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                if "record" in rule:
                    recordings.append(Recording(rule["record"], rule["expr"], rule.get("labels", {})))
                else:
                    alerts.append(_alert(rule))
    return recordings, alerts


def _alert(rule: dict[str, str | dict[str, str]]) -> AlertRule:
    def seconds(name: str) -> float:
        return milliseconds(str(rule.get(name, "0s"))) / 1000

    labels, annotations = rule.get("labels", {}), rule.get("annotations", {})
    assert isinstance(labels, dict)
    assert isinstance(annotations, dict)
    expression = " ".join(str(rule["expr"]).split())
    return AlertRule(str(rule["alert"]), expression, seconds("for"), seconds("keep_firing_for"), labels, annotations)


def in_order(rules: Sequence[Recording]) -> Iterator[list[Recording]]:
    """In rounds: each reads only what earlier ones recorded."""
    left, ours = list(rules), {rule.name for rule in rules}
    while left:
        waiting = {rule.name for rule in left}
        ready = [rule for rule in left if not (set(_NAME.findall(rule.expression)) & ours & waiting)]
        if not ready:
            raise ValueError(f"these rules need each other: {sorted(waiting)}")
        yield ready
        left = [rule for rule in left if rule not in ready]


def moments(now: int) -> Times:
    """When the rules are evaluated."""
    return grid(now, COARSE_SECONDS, STEP_SECONDS)


def history(prometheus: Prometheus, expression: str, now: int, since: int = 0) -> list[Curve]:
    """At all moments, or those from `since` on; the labels are those of the answer without its name."""
    begin, middle = now - int(HISTORY_SECONDS), max(since, now - FINE_FOR)
    old = [] if since else prometheus.range(expression, begin, middle - 1, COARSE_SECONDS)
    new = prometheus.range(expression, middle, now + TAIL_SECONDS, STEP_SECONDS)
    joined: dict[tuple[tuple[str, str], ...], list[Curve]] = {}
    for curve in (*old, *new):
        labels = tuple(sorted((name, value) for name, value in curve.labels.items() if name != "__name__"))
        joined.setdefault(labels, []).append(curve)
    return [
        Curve(dict(labels), np.concatenate([c.times for c in parts]), np.concatenate([c.values for c in parts]))
        for labels, parts in joined.items()
    ]


def record(prometheus: Prometheus, rules: Sequence[Recording], now: int, since: int = 0) -> None:
    """What the rules record, from the beginning or from `since` on (which is one of the moments)."""
    every = moments(now)
    every = every[every >= since]
    for ready in in_order(rules):
        with ThreadPoolExecutor(PARALLEL) as pool:
            answers = pool.map(lambda rule: history(prometheus, rule.expression, now, since), ready)
            for rule, curves in zip(ready, answers, strict=True):
                prometheus.write(_recorded(rule, curve, every) for curve in curves)


def _recorded(rule: Recording, curve: Curve, every: Times) -> Series:
    labels = {**curve.labels, **rule.labels, "__name__": rule.name}
    return ended({name: value for name, value in labels.items() if value}, curve.times, curve.values, every)


def ended(labels: Mapping[str, str], times: Times, values: Floats, every: Times) -> Series:
    """With a mark where an evaluation did not give the series any more, as Prometheus writes it."""
    here = np.isin(every, times)
    gone = np.zeros(len(every), bool)
    gone[1:] = here[:-1] & ~here[1:]
    shown = np.full(len(every), STALE)
    shown[here] = values
    kept = here | gone
    return Series(labels, every[kept] * 1000, shown[kept])
