"""A drill's output: a line for each finished step, and a moving one while it waits."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from dev.stack.drill_scenarios import DRILLS, NOT_DRILLED, Drill
from dev.stack.drill_watching import Rule

CLEAR_LINE = "\r\x1b[K"
NOTIFICATION = {
    "page": "a page at PagerDuty",
    "mail": "a mail",
    "slack": "a message in Slack",
    "direct": "a page at PagerDuty, straight from Alertmanager",
}


class Screen:
    """Seconds are counted from the beginning of the fault; before it, from the beginning of the drill."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._moving = self._stream.isatty()
        self._began = time.monotonic()

    def begin(self, drill: Drill, rule: Rule, speed: int) -> None:
        pace = "in real time" if speed == 1 else f"{speed} times faster than in production"
        self._say(f"{drill.scenario}: {drill.does}.")
        wanted = NOTIFICATION[rule.notified_by]
        self._say(f"{drill.alert} ({rule.labels['severity']}) should become {wanted}, {pace}.\n")

    def fault_begins(self) -> None:
        self._began = time.monotonic()

    def step(self, name: str, text: str) -> None:
        self._say(f"{self._clear()}{self._seconds():6.1f} s  {name:<10} {text}")

    def waiting(self, name: str, text: str) -> None:
        """Only on a terminal, where the line can be overwritten."""
        if self._moving:
            self._write(f"{CLEAR_LINE}{self._seconds():6.1f} s  {name:<10} {text[:90]} ...")

    def end(self, text: str) -> None:
        self._say(f"{self._clear()}\n{text}")

    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _clear(self) -> str:
        return CLEAR_LINE if self._moving else ""

    def _say(self, text: str) -> None:
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def listed() -> str:
    """The output of `make drill SCENARIO=list`."""
    lines = ["make drill SCENARIO=NAME runs the first alert of a scenario, ALERT=NAME chooses another one:", ""]
    former = ""
    for drill in DRILLS:
        name, former = ("" if drill.scenario == former else drill.scenario), drill.scenario
        lines.append(f"  {name:<11} {drill.alert:<27} {drill.does}")
    lines += ["", "Without a drill:", ""]
    return "\n".join([*lines, *(f"  {alert:<38} {reason}" for alert, reason in NOT_DRILLED.items())])


def measured(value: float | None, unit: str) -> str:
    """A readable number with its unit."""
    if value is None:
        return "no value"
    if unit == "%":
        return f"{value:.1%}"
    if unit == "B":
        return f"{value / 1e9:.2f} GB"
    return f"{value:.3g} {unit}".strip()
