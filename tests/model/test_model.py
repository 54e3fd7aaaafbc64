"""Any order of events ends in the true state at every vendor.

Hypothesis chooses the orders, always the same ones; `MODEL_EXAMPLES=2000 python -m pytest tests/model` chooses that
many at random.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.event_machine import EventMachine

MANY = int(os.environ.get("MODEL_EXAMPLES", "0"))


@pytest.mark.timeout(7200 if MANY else 600)
def test_any_order_of_events_ends_in_the_true_state(migrated: Path) -> None:
    chosen = settings(
        max_examples=MANY or 60,
        stateful_step_count=50,
        derandomize=not MANY,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: EventMachine(migrated), settings=chosen)  # type: ignore[arg-type]  # it takes a function too
