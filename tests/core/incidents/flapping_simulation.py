"""One group of alerts over time: what each channel shows, computed without a store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from bridge.core.delivery.desired_states import desired_states
from bridge.core.incidents.actions import acknowledge
from bridge.core.incidents.flapping import settle
from bridge.core.incidents.state_changes import Flapping
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Change, ChannelSpec, Incident
from bridge.core.routing.matchers import parse_matchers
from bridge.core.routing.tree import Route
from tests.builders import a_group, an_alert, at

MINUTE = 60.0
RULES = Rules(flapping=Flapping(turns=4, within=timedelta(minutes=60), calm=timedelta(minutes=10)))
OFF = replace(RULES, flapping=None)
TREE = Route(notify=("slack",), routes=(Route(parse_matchers('severity="critical"'), ("pager",)),))
CHANNELS = {name: ChannelSpec(name) for name in ("slack", "pager")}


@dataclass
class Simulation:
    """The incidents of one group, and the state that each channel shows of the latest."""

    rules: Rules = RULES
    known: Incident | None = None
    shown: dict[str, bool] = field(default_factory=dict)
    state_changes: list[tuple[str, bool]] = field(default_factory=list)  #: (channel, firing), in order
    loud: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    opened: int = 0

    def apply(self, change: Change | None, now: float) -> Change | None:
        if change is None:
            return None
        if change.opened:
            self.opened += 1
            change = replace(change, incident=replace(change.incident, number=self.opened))
        self.known = change.incident
        self.kinds += [entry.kind for entry in change.entries]
        self.loud += [entry.text for entry in change.entries if entry.loud]
        if change.changed:
            for state in desired_states(change, TREE, self.rules.canonical, CHANNELS, at(now)):
                if self.shown.get(state.target.channel, False) != state.firing:
                    self.state_changes.append((state.target.channel, state.firing))
                self.shown[state.target.channel] = state.firing
        return change

    def receive_webhook(self, now: float, *alerts: Alert) -> Change | None:
        return self.apply(receive(self.known, a_group(*alerts), at(now), self.rules, "uid"), now)

    def run_timer(self, now: float) -> Change | None:
        """As a worker does when the timer is due."""
        assert self.known is not None
        return self.apply(settle(self.known, self.rules, at(now)), now)

    def flap(self, times: int, start: float = 0, every: float = 4 * MINUTE) -> float:
        """Fires and resolves `times` times; returns when the next start would be."""
        for cycle in range(times):
            begin = start + cycle * every
            self.receive_webhook(begin, an_alert(starts=begin))
            self.receive_webhook(begin + every / 2, an_alert(starts=begin, ends=begin + every / 2))
        return start + times * every

    def acknowledge(self, now: float) -> None:
        assert self.known is not None
        self.apply(acknowledge(self.known, "ada", at(now)), now)

    @property
    def incident(self) -> Incident:
        assert self.known is not None
        return self.known
