"""The bridge's own health: good only if every check is known to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.health import audit, faults, readiness
from bridge.core.views import Health

FIVE = timedelta(minutes=5)
HEALTHY = Health({}, {}, {"pager": 299.0}, {}, {}, 1.0, expired_lease_seconds={"pager": 299.0})


def test_a_healthy_bridge_has_no_faults() -> None:
    checks = audit(HEALTHY, FIVE)
    assert (list(checks), faults(checks)) == (["store", "worker", "overdue", "leases"], "")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"worker_seen_seconds": None}, "worker: no worker has ever run"),
        ({"worker_seen_seconds": 30.0}, "worker: no worker has been seen for 30 s"),
        ({"overdue_seconds": {"pager": 300.0}}, "overdue: messages are late: pager by 300 s"),
        ({"expired_lease_seconds": {"pager": 300.0}}, "leases: a message is with a worker that is gone"),
    ],
)
def test_each_fault_begins_with_the_name_of_its_check(change: dict[str, Any], text: str) -> None:
    assert faults(audit(replace(HEALTHY, **change), FIVE)).startswith(text)


def test_a_store_that_does_not_answer_or_cannot_be_written_is_a_fault() -> None:
    assert {name: check.ok for name, check in audit(None, FIVE).items()} == {
        "store": False,
        "worker": False,
        "overdue": False,
        "leases": False,
    }
    assert faults(audit(HEALTHY, FIVE, "disk full")) == "store: the store cannot be written: disk full"


def test_readiness_ignores_leases() -> None:
    assert all(check.ok for check in readiness(replace(HEALTHY, expired_lease_seconds={"pager": 9e9}), FIVE).values())
