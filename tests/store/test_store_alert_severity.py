"""The severity of an alert is stored at intake; for a row of an earlier version it is derived."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from bridge.core.incidents.transitions import Rules
from bridge.core.model import Severity
from bridge.core.routing.tree import canonical_labels
from bridge.store import StoreIntake, StoreReader
from bridge.store.tables import alert
from tests.builders import a_group, an_alert
from tests.store.small_store import POLICY, Clock

ALIASED = replace(POLICY, rules=Rules(canonical=lambda labels: canonical_labels(labels, {"page": "critical"})))


@pytest.fixture
def number(engine: sa.Engine, clock: Clock) -> int:
    intake = StoreIntake(engine, lambda: ALIASED, clock)
    try:
        return intake.accept(a_group(an_alert("A", "page"), an_alert("B", "info"))).number
    finally:
        intake.close()


def severities(engine: sa.Engine, number: int) -> dict[str, Severity]:
    found = StoreReader(engine).incident(number)
    assert found is not None
    return {each.name: each.severity for each in found.alerts.values()}


def test_the_severity_is_stored_normalised(engine: sa.Engine, number: int) -> None:
    assert severities(engine, number) == {"A": Severity.CRITICAL, "B": Severity.INFO}


def test_a_row_of_an_earlier_version_has_the_severity_of_its_label_or_its_incident(
    engine: sa.Engine, number: int
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.update(alert).values(severity=None))
    assert severities(engine, number) == {"A": Severity.CRITICAL, "B": Severity.INFO}
