"""What the bridge may say of itself: fine only when everything is known to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.health import audit, faults, readiness
from bridge.core.views import Health

FIVE = timedelta(minutes=5)
WELL = Health({}, {}, {"pager": 299.0}, {}, {}, 1.0, expired_lease_seconds={"pager": 299.0})


def test_what_is_well_has_no_faults() -> None:
    checks = audit(WELL, FIVE)
    assert (list(checks), faults(checks)) == (["store", "worker", "overdue", "leases"], "")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"worker_seen_seconds": None}, "worker: no worker has ever run"),
        ({"worker_seen_seconds": 30.0}, "worker: no worker has been seen for 30 s"),
        ({"overdue_seconds": {"pager": 300.0}}, "overdue: messages are late: pager by 300 s"),
        ({"expired_lease_seconds": {"pager": 300.0}}, "leases: a message is with a worker that is gone"),
    ],
)
def test_each_fault_is_told_by_its_name(change: dict[str, Any], told: str) -> None:
    assert faults(audit(replace(WELL, **change), FIVE)).startswith(told)


def test_a_store_that_does_not_answer_or_takes_nothing_is_not_well() -> None:
    assert {name: check.ok for name, check in audit(None, FIVE).items()} == {
        "store": False,
        "worker": False,
        "overdue": False,
        "leases": False,
    }
    assert faults(audit(WELL, FIVE, "disk full")) == "store: the store cannot be written: disk full"


def test_a_probe_that_is_asked_often_does_not_look_at_leases() -> None:
    assert all(check.ok for check in readiness(replace(WELL, expired_lease_seconds={"pager": 9e9}), FIVE).values())
