"""The reconciler's grace period when the clock goes back: it begins anew instead of waiting for the old time."""

from __future__ import annotations

from bridge.core.reconciliation import AlertmanagerState
from tests.builders import at
from tests.core.reconciliation_builders import LONG_AGO, ONE, an_incident, deciding

EMPTY = AlertmanagerState(at(LONG_AGO))


def test_an_absence_from_the_future_begins_now() -> None:
    first = deciding(an_incident(), EMPTY, now=86_400)
    assert first.absent_since == {ONE.fingerprint: at(86_400)}
    second = deciding(an_incident(), EMPTY, absent=first.absent_since, now=1000)
    assert second.absent_since == {ONE.fingerprint: at(1000)}
    assert second.findings == ()
    third = deciding(an_incident(), EMPTY, absent=second.absent_since, now=1301)
    assert [finding.ended for finding in third.findings] == [1]
