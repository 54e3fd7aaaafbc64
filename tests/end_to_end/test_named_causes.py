"""Incidents with a known cause, from a real Prometheus to the vendors' stand-ins: does the message name the cause?

A subset of `make drills`, chosen for breadth.
"""

from __future__ import annotations

import pytest

from dev.drills.running import Result, run
from dev.drills.scenario import load

pytestmark = pytest.mark.timeout(1800)
CHOSEN = (
    "all-pods-dead",
    "canary-one-of-three",
    "drift-from-inputs",
    "errors-before-the-deploy",
    "longer-texts",
    "memory-leak",
    "night-two-of-30",
    "rollback-under-way-older-api",
)


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    return {each.scenario.name: each for each in run(load(CHOSEN), print)}


@pytest.mark.parametrize("name", CHOSEN)
def test_the_cause_is_named_in_every_message(results: dict[str, Result], name: str) -> None:
    result = results[name]
    assert result.judgement.score.passed, f"{result.said.line or 'no cause'}: {result.judgement.why}"
    assert set(result.said.messages) == {"PagerDuty", "Slack", "mail"}
    assert len(result.said.summary) <= 160
