"""The status of a delivery and its reason in words."""

from __future__ import annotations

import pytest

from bridge.core.delivery.delivery import Delivery
from bridge.core.delivery.status import status_of
from tests.builders import at
from tests.core.delivery.delivery_builders import a_delivery

DEAD = "cannot be delivered as it is; mend the cause, then replay it"
ALONE = "it fails alone: others of pager got through since it was tried"
SUPPRESSED = "suppressed by the storm on pager, reported in #51"


@pytest.mark.parametrize(
    ("delivery", "status", "why"),
    [
        (a_delivery(), "pending", "waits to be sent"),
        (a_delivery(failed_at=at(0)), "pending", "it is tried again"),
        (
            a_delivery(failed_at=at(0), alone=1),
            "pending",
            ALONE,
        ),
        (a_delivery(lease="w.1", muted_by="nights"), "sending", "a worker has it"),
        (a_delivery(muted_by="nights"), "held", "muted by nights"),
        (a_delivery(pending=False, sent=1), "delivered", ""),
        (a_delivery(pending=False, firing=False), "skipped", "ended before it was delivered"),
        (a_delivery(pending=False, dead=True, sent=1), "dead", DEAD),
    ],
)
def test_each_delivery_has_a_status_and_a_reason(delivery: Delivery, status: str, why: str) -> None:
    assert status_of(delivery) == (status, why)


def test_the_reason_names_a_failing_channel_or_a_storm() -> None:
    assert status_of(a_delivery(failed_at=at(0)), trouble="HTTP 401") == ("pending", "the channel waits: HTTP 401")
    assert status_of(a_delivery(), digest=51, trouble="HTTP 401") == ("held", SUPPRESSED)
    assert status_of(a_delivery(pending=False, sent=1), digest=51) == ("delivered", "")
