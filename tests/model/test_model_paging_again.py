"""An acknowledged incident pages again: an order of events that chance comes by too seldom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.small_bridge import Death
from tests.model.test_model import Bridge


@pytest.mark.parametrize("death", Death)
def test_a_critical_alert_joins_what_was_acknowledged_while_workers_die(empty: Path, death: Death) -> None:
    """PagerDuty must ring once more, and not twice more."""
    order = Bridge(empty)
    order.reload("all")

    def die_at_each_step() -> None:
        for each in (death, Death.NEVER, death, Death.NEVER):
            order.pass_time(1)
            order.work(each, freed=True)
        order._deliver_everything()

    order.fire("one", "warning")
    order.notify("one", "")
    die_at_each_step()
    order.acknowledge("one")
    die_at_each_step()
    order.fire("one", "critical")
    order.notify("one", "")
    die_at_each_step()
    assert order.pagerduty.pages(order.shown["one"].incident.dedup_key) == 2
    order.teardown()
