"""`make drill`: one fault of the real API, followed until its alert and its end were notified."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from dev.stack import promql
from dev.stack.drill_scenarios import CAUSES, Drill, of_scenario, scenarios
from dev.stack.drill_screen import Screen, measured
from dev.stack.drill_watching import Incident, Rule, Site, Unanswered, Watch
from dev.stack.errors import StackError
from dev.stack.speed import Tempo

POLL_SECONDS = 0.5
MARGIN_SECONDS = 300.0  # added to each step's limit: for scrapes, evaluations, grouping, retries, a busy machine
SHOWN_BY = {"page": "PagerDuty", "mail": "the mailbox", "slack": "Slack", "direct": "PagerDuty"}


def chosen(scenario: str, alert: str) -> Drill:
    """`alert` may be empty. Raises StackError."""
    found = of_scenario(scenario)
    if not found:
        raise StackError(f"There is no scenario {scenario!r}. There are: {', '.join(scenarios())}, and list.")
    for drill in found:
        if alert in ("", drill.alert):
            return drill
    names = ", ".join(drill.alert for drill in found)
    raise StackError(f"The scenario {scenario} has no drill for {alert!r}. It has: {names}.")


def run(drill: Drill, site: Site, screen: Screen) -> None:
    """Raises StackError when a step timed out; the fault is undone in any case."""
    watch = Watch(site)
    try:
        rule = watch.rule(drill.alert)
        screen.begin(drill, rule, site.speed)
        Run(drill, site, screen, watch, rule).all()
    except Unanswered as fault:
        raise StackError(f"{fault}\nDoes `make up` still run? Its logs: {site.places.logs}") from None


@dataclass
class Run:
    drill: Drill
    site: Site
    screen: Screen
    watch: Watch
    rule: Rule
    incident: Incident | None = None

    def all(self) -> None:
        self._wait_until_quiet()
        with ExitStack() as faults:
            faults.callback(self.screen.step, "undone", "the fault has ended")
            self.screen.fault_begins()
            for fault in self.drill.faults:
                faults.enter_context(fault(self.site))
            self.screen.step("fault", self.drill.does)
            self._rises()
            self._wait("delivered", self._delivered(firing=True), MARGIN_SECONDS, self._why_not_notified)
            if self.incident is not None:
                self._judge(self.incident)
        self._falls()

    def _wait_until_quiet(self) -> None:
        """Otherwise the end of an earlier alert could be mistaken for that of this one."""
        limit = 2 * self._divided(self.drill.window) + 2 * self.rule.keep_firing_seconds + MARGIN_SECONDS
        self._wait("quiet", self._is_quiet, limit, self._why_not_quiet)
        if self.drill.before:
            expression = promql.rewritten(self.drill.before, Tempo(self.site.speed), {})
            limit = self._divided(2 * 3600) + MARGIN_SECONDS
            self._wait(
                "ready", lambda: "" if self.watch.value(expression) is None else "what it is compared with is known",
                limit, lambda: f"Prometheus has no answer to: {expression}",
            )  # fmt: skip

    def _is_quiet(self) -> str:
        incident = self.watch.incident(self.drill.alert)
        quiet = not self.watch.state(self.drill.alert) and (incident is None or incident.state == "resolved")
        return f"{self.drill.alert} does not fire" if quiet else ""

    def _why_not_quiet(self) -> str:
        """It fires in Prometheus, or an alert of this name was posted by hand."""
        alert = self.drill.alert
        if state := self._state():
            return f"{alert} is still {state}"
        return f"Prometheus has no {alert}, but {self._bridge_state()}, and {self.watch.since(alert)}: end it there"

    def _rises(self) -> None:
        limit = 3 * self._divided(self.drill.window) + MARGIN_SECONDS
        self._wait("condition", self._condition, limit, self._measured)
        if self.rule.for_seconds:
            self._wait("pending", self._in_state("pending", "firing"), MARGIN_SECONDS, self._measured)
        limit = 2 * self.rule.for_seconds + MARGIN_SECONDS
        self._wait("firing", self._in_state("firing"), limit, self._measured)

    def _judge(self, incident: Incident) -> None:
        """Raises StackError for a wrong cause."""
        named = ""

        def ask() -> str:
            nonlocal named
            cause = self.watch.cause(incident)
            named = cause or ""
            return "" if cause is None else named or "none found"

        self._wait("cause", ask, MARGIN_SECONDS, lambda: "the bridge has measured nothing yet")
        right = CAUSES.get(self.drill.alert, "")
        if named and not (right and re.search(right, named, re.IGNORECASE)):
            raise StackError(f"That cause is wrong: {self.drill.does}, so it should say /{right}/, or none.")

    def _falls(self) -> None:
        limit = 2 * self._divided(self.drill.window) + 2 * self.rule.keep_firing_seconds + MARGIN_SECONDS
        self._wait("ended", lambda: "" if self._state() else f"{self.drill.alert} fires no more", limit, self._measured)
        self._wait("resolved", self._delivered(firing=False), MARGIN_SECONDS, self._why_not_notified)

    def _condition(self) -> str:
        if self.watch.value(self.rule.expression) is None:
            return ""
        return f"{self._measured()} (limit: {self.drill.limit})"

    def _in_state(self, *states: str) -> Callable[[], str]:
        def ask() -> str:
            state = self._state()
            if state not in states:
                return ""
            pending = f"for {self.rule.for_seconds:g} s"
            return pending if "pending" in states else f"{self.drill.alert}: {self._measured()}"

        return ask

    def _state(self) -> str:
        return self.watch.state(self.drill.alert)

    def _delivered(self, firing: bool) -> Callable[[], str]:
        def ask() -> str:
            direct = self.rule.notified_by == "direct"
            self.incident = None if direct else self.watch.incident(self.drill.alert)
            message = self.watch.message(self.rule, self.incident, firing)
            return message and (
                f"{message}\n{self.incident.url:>{24 + len(self.incident.url)}}" if self.incident else message
            )

        return ask

    def _measured(self) -> str:
        return measured(self.watch.value(self.drill.measure), self.drill.unit)

    def _why_not_notified(self) -> str:
        seen = f"{self.watch.since(self.drill.alert)}; {self._bridge_state()}"
        return f"{seen}; {SHOWN_BY[self.rule.notified_by]} does not show it"

    def _bridge_state(self) -> str:
        incident = self.watch.incident(self.drill.alert)
        if incident is None:
            return f"the bridge has no incident of {self.drill.alert}"
        return f"the bridge has incident {incident.number} ({incident.state})"

    def _divided(self, seconds: float) -> float:
        return seconds / self.site.speed

    def _wait(self, name: str, ask: Callable[[], str], limit: float, seen: Callable[[], str]) -> None:
        """Until `ask` returns a text. Raises StackError after `limit` seconds, with what was seen last."""
        deadline = time.monotonic() + limit
        while True:
            answer = self._tried(ask)
            if answer:
                self.screen.step(name, answer)
                return
            last = self._tried(seen)
            if time.monotonic() > deadline:
                raise StackError(self._failure(name, limit, last))
            self.screen.waiting(name, last)
            time.sleep(POLL_SECONDS)

    @staticmethod
    def _tried(ask: Callable[[], str]) -> str:
        """A service that does not answer may be the drill's own fault."""
        try:
            return ask()
        except Unanswered:
            return ""

    def _failure(self, name: str, limit: float, last: str) -> str:
        site = self.site
        return (
            f"The step {name!r} was not reached within {limit:.0f} s. Seen last: {last or 'no answer'}.\n"
            f"  the rule:       {site.url('prometheus')}/alerts  ({self.rule.expression})\n"
            f"  the alert:      {site.url('alertmanager')}/api/v2/alerts, {site.url('bridge')}\n"
            f"  the sandbox:    {site.url('sandbox')}\n"
            f"  the logs:       {site.places.logs} (drill.log is what the drill itself started)"
        )
