"""Flapping alerts on the bridge of tests.store.machine."""

from __future__ import annotations

from datetime import timedelta

from bridge.core.incidents.state_changes import Flapping
from bridge.core.incidents.transitions import Rules
from bridge.core.ports import Sent
from bridge.core.routing.tree import Route
from bridge.store import Policy
from tests.builders import an_alert, at
from tests.store.machine import CHANNELS, Machine

MINUTE = 60
FLAPPING = Flapping(turns=4, within=timedelta(hours=1), calm=timedelta(minutes=10))
PLAIN = Policy(Rules(flapping=FLAPPING), Route(notify=("pager",)), CHANNELS)
Sends = list[tuple[float, str, bool]]


def flap(machine: Machine, times: int, start: float = 0) -> Sends:
    """Fires every two minutes and resolves a minute later; returns (minute, channel, firing) of each send."""
    sends = []
    for cycle in range(times):
        begin = start + cycle * 2 * MINUTE
        for now, ends in ((begin, None), (begin + MINUTE, begin + MINUTE)):
            machine.accept(at(now), an_alert(starts=begin, ends=ends))
            claims = machine.claim(at(now + 1))
            sends += [(now / MINUTE, channel, claim.firing) for channel, claim in claims.items()]
            machine.store.settle([(claim, Sent({})) for claim in claims.values()], at(now + 2))
    return sends
