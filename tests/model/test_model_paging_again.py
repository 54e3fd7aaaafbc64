"""An acknowledged incident pages again: an order of events that is too rare in random examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.event_machine import EventMachine
from tests.model.small_bridge import Death


@pytest.mark.parametrize("death", Death)
def test_a_critical_alert_pages_an_acknowledged_incident_once_although_workers_die(
    migrated: Path, death: Death
) -> None:
    """PagerDuty must page once more, and not twice more."""
    machine = EventMachine(migrated)
    machine.reload("all")

    def die_at_each_step() -> None:
        for each in (death, Death.NEVER, death, Death.NEVER):
            machine.pass_time(1)
            machine.work(each, freed=True)
        machine._deliver_everything()

    machine.fire("one", "warning")
    machine.notify("one", "")
    die_at_each_step()
    machine.acknowledge("one")
    die_at_each_step()
    machine.fire("one", "critical")
    machine.notify("one", "")
    die_at_each_step()
    assert machine.pagerduty.pages(machine.expected["one"].incident.dedup_key) == 2
    machine.teardown()
