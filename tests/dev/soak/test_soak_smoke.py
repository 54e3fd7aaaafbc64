"""The soak itself works, on a plan of a few seconds with one death of everything and one deaf vendor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dev.soak.plan import Fault, Kill, plan_of
from dev.soak.running import run
from dev.soak.systems import Bridge


@pytest.mark.timeout(1200)
def test_a_short_soak_loses_nothing() -> None:
    deaf = Fault(0.5, 1.0, {"target": "slack", "kind": "accept_then_reset"})
    plan = replace(plan_of(1, 4, 5), kills=(Kill(1.0, "everything"),), faults=(deaf,))
    tally, found = run(Bridge, plan)
    assert (len(tally.accepted), tally.kills, tally.faults) == (20, 1, 1)
    assert found.sound, found
