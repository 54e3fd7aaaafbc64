"""When alerts were pending and firing, by their rules and the recorded history; what Alertmanager was sent of them."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dev.drills.prometheus import Curve, Prometheus
from dev.drills.remote_write import Series
from dev.drills.rules import STEP_SECONDS, AlertRule, ended, history, moments
from dev.drills.timeline import Times

FIRING, PENDING = "firing", "pending"
_OF_OTHERS = re.compile(r"vector\(1\)|\b(bridge|prometheus|alertmanager)_")  #: this Prometheus scrapes only the API
_PLACE = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_LOOP = re.compile(r"\{\{\s*range query \((.*?)\).*?\}\}(.*?)\{\{\s*end\s*\}\}", re.DOTALL)
Ask = Callable[[str], list[Curve]]


@dataclass(frozen=True)
class Outbreak:
    """One time that an alert fired. Seconds since the epoch; ended_at None: it still fires."""

    rule: AlertRule
    labels: Mapping[str, str]
    active_at: int
    fired_at: int
    ended_at: int | None
    value: float
    annotations: Mapping[str, str]

    @property
    def generator_url(self) -> str:
        return f"http://prometheus.example:9090/graph?g0.expr={urllib.parse.quote_plus(self.rule.expression)}&g0.tab=1"


def evaluate(prometheus: Prometheus, rules: Iterable[AlertRule], now: int) -> list[Outbreak]:
    """All outbreaks until now; ALERTS and ALERTS_FOR_STATE are written as Prometheus writes them."""
    every, found = moments(now), list[Outbreak]()
    for rule in rules:
        if not _OF_OTHERS.search(rule.expression):
            for curve in history(prometheus, rule.expression, now):
                states = list(_states(rule, curve, every))
                prometheus.write(_series(rule, curve, states, every))
                found += _outbreaks(prometheus, rule, curve, states, now)
    return found


def _states(rule: AlertRule, curve: Curve, every: Times) -> Iterator[tuple[str, int]]:
    """State and time since when it is active, at each moment; as rules/alerting.go does it."""
    true_at, state, active, last = set(curve.times.tolist()), "", 0, 0
    for at in every.tolist():
        if at in true_at:
            active, last = (active if state else at), at
            if state != FIRING:
                state = FIRING if at - active >= rule.for_seconds else PENDING
        elif state == PENDING or (state == FIRING and at - last >= rule.keep_firing_seconds):
            state = ""
        yield state, active


def _series(rule: AlertRule, curve: Curve, states: list[tuple[str, int]], every: Times) -> Iterator[Series]:
    labels = {**curve.labels, **_texts(rule.labels, curve.labels), "alertname": rule.name}
    for wanted in (PENDING, FIRING):
        there = np.array([state == wanted for state, _ in states])
        if there.any():
            named = {**labels, "__name__": "ALERTS", "alertstate": wanted}
            yield ended(named, every[there], np.ones(int(there.sum())), every)
    there = np.array([bool(state) for state, _ in states])
    if there.any():
        since = np.array([float(active) for _, active in states])[there]
        yield ended({**labels, "__name__": "ALERTS_FOR_STATE"}, every[there], since, every)


def _outbreaks(
    prometheus: Prometheus, rule: AlertRule, curve: Curve, states: list[tuple[str, int]], now: int
) -> Iterator[Outbreak]:
    labels = {**curve.labels, **_texts(rule.labels, curve.labels), "alertname": rule.name}
    for active, begin, end in _firing(states, moments(now).tolist(), now):
        last = end or now
        value = _value(curve, begin, last)

        def ask(expression: str, at: int = last // STEP_SECONDS * STEP_SECONDS) -> list[Curve]:
            return prometheus.range(expression, at, at, STEP_SECONDS)

        texts = {name: rendered(text, labels, value, ask) for name, text in rule.annotations.items()}
        yield Outbreak(rule, labels, active, begin, end, value, texts)


def _firing(states: list[tuple[str, int]], every: list[int], now: int) -> Iterator[tuple[int, int, int | None]]:
    """When it became active, began to fire, and ended (None: not yet)."""
    begun: tuple[int, int] | None = None
    for at, (state, active) in zip(every, states, strict=True):
        if at > now:
            break
        if state == FIRING and begun is None:
            begun = (active, at)
        elif state != FIRING and begun is not None:
            yield (*begun, at)
            begun = None
    if begun is not None:
        yield (*begun, None)


def _value(curve: Curve, begin: int, end: int) -> float:
    """The last one, as a repeated notification has it."""
    during = curve.values[(curve.times >= begin) & (curve.times <= end)]
    return float(during[-1]) if len(during) else float("nan")


def _texts(templates: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    return {name: rendered(str(text), labels, 0.0) for name, text in templates.items()}


def rendered(text: str, labels: Mapping[str, str], value: float, ask: Ask = lambda expression: []) -> str:
    """The part of Prometheus' templates that rules/ uses."""

    def put_in(found: re.Match[str]) -> str:
        words = found[1].split("|")
        source, how = words[0].strip(), words[1].strip() if len(words) > 1 else ""
        if source.startswith(("$labels.", ".Labels.")):
            return labels.get(source.rpartition(".")[2], "")
        return _formatted(value, how) if source in ("$value", ".Value") else ""

    def repeated(found: re.Match[str]) -> str:
        """Of the samples of a query, in the order of their labels."""
        template, *names = re.findall(r'"((?:[^"\\]|\\.)*)"|\$labels\.(\w+)', found[1])
        expression = template[0].replace("%q", "%s") % tuple(json.dumps(labels.get(name, "")) for _, name in names)
        samples = sorted(ask(expression), key=lambda curve: sorted(curve.labels.items()))
        return "".join(rendered(found[2], curve.labels, float(curve.values[-1])) for curve in samples)

    return _PLACE.sub(put_in, _LOOP.sub(repeated, text))


def _formatted(value: float, how: str) -> str:
    """https://prometheus.io/docs/prometheus/latest/configuration/template_reference/#numbers"""
    if how == "humanizePercentage":
        return f"{value * 100:.4g}%"
    if how == "humanizeDuration":
        return f"{value:.4g}s" if value >= 1 else f"{value * 1000:.4g}ms"
    if how.startswith("printf"):
        return how.split('"')[1] % value
    if how == "humanize":
        for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if value >= factor:
                return f"{value / factor:.4g}{prefix}"
    return f"{value:.4g}"
