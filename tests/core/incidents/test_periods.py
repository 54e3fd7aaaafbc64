"""From when to when an incident fired: table and property."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.incidents.actions import resolve
from bridge.core.incidents.periods import firing_period
from bridge.core.incidents.transitions import Rules, receive
from bridge.core.model import Alert, Incident
from bridge.sources.alertmanager import UNKNOWN_START
from tests.builders import a_group, an_alert, at

MINUTE = 60.0
RULES = Rules(flapping=None)


def after(*webhooks: tuple[float, tuple[Alert, ...]]) -> Incident:
    """The incident after webhooks: minutes after noon, and the alerts."""
    known: Incident | None = None
    for minute, alerts in webhooks:
        change = receive(known, a_group(*alerts), at(minute * MINUTE), RULES, "uid")
        assert change is not None
        known = change.incident
    assert known is not None
    return known


def alert(starts: float, ends: float | None = None, **labels: str) -> Alert:
    return an_alert(starts=starts * MINUTE, ends=None if ends is None else ends * MINUTE, **labels)


def started(when: datetime, ends: float | None = None) -> Alert:
    return replace(alert(0, ends), starts_at=when)


FUTURE, YEARS_AGO = at(50 * MINUTE), datetime.fromisoformat("2001-01-01T00:00:00+00:00")
CASES: dict[str, tuple[list[tuple[float, tuple[Alert, ...]]], str]] = {
    "notified late": ([(34, (alert(0),)), (34.1, (alert(0, 34),))], "34 min"),
    "the end is notified long after": ([(1, (alert(0),)), (90, (alert(0, 34),))], "34 min"),
    "notified when it was over": ([(40, (alert(0, 34),))], "34 min"),
    "one joined that began before": ([(30, (alert(20),)), (31, (alert(0, pod="b"),)),
                                      (35, (alert(20, 34), alert(0, 33, pod="b")))], "34 min"),
    "the first came, went and came again": ([(1, (alert(0),)), (5, (alert(4, pod="b"),)), (10, (alert(0, 9),)),
                                             (21, (alert(20),)), (35, (alert(20, 34), alert(4, 30, pod="b")))],
                                            "34 min"),
    "no end": ([(1, (alert(0),)), (34, (replace(alert(0, 1), ends_at=None),))], "34 min"),
    "an end before the start": ([(1, (alert(0),)), (34, (alert(0, -60),))], "34 min"),
    "an end in the future": ([(1, (alert(0),)), (34, (alert(0, 500),))], "34 min"),
    "opened again: the new outbreak's": ([(1, (alert(0),)), (10, (alert(0, 9),)), (20, (alert(16),)),
                                          (51, (alert(16, 50),))], "34 min"),
    "opened again at once": ([(1, (alert(0, pod="b"), alert(0))), (10, (alert(0, 9), alert(0, 9, pod="b"))),
                              (10.5, (alert(10),)), (45, (alert(10, 44),))], "34 min"),
    "a zero start": ([(0, (started(UNKNOWN_START),)), (34, (started(UNKNOWN_START, 34),))], "at least 34 min"),
    "a start years ago": ([(0, (started(YEARS_AGO),)), (34, (started(YEARS_AGO, 34),))], "at least 34 min"),
    "a start in the future": ([(0, (started(FUTURE),)), (34, (started(FUTURE, 84),))], "at least 34 min"),
    "a start a little ahead": ([(0, (alert(0.5),)), (34, (alert(0.5, 34),))], "34 min"),
    "nine weeks": ([(1, (alert(-90720),)), (2, (alert(-90720, 0),))], "63 d"),
    "it fires": ([(33, (alert(0),)), (34, (alert(0), alert(10, pod="b")))], "34 min"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_firing_period_is_that_of_the_alerts(case: str) -> None:
    webhooks, lasted = CASES[case]
    incident = after(*webhooks)
    assert firing_period(incident).lasted(at(webhooks[-1][0] * MINUTE)) == lasted


def test_a_resolve_by_a_user_ends_the_period() -> None:
    resolved = resolve(after((10, (alert(0),))), "ana", at(34 * MINUTE)).incident
    assert firing_period(resolved).lasted(at(99 * MINUTE)) == "34 min"
    later = receive(resolved, a_group(alert(0, 50)), at(51 * MINUTE), RULES, "uid")
    assert later is not None and firing_period(later.incident).lasted(at(99 * MINUTE)) == "34 min"


@pytest.mark.parametrize("firing", [True, False])
def test_a_period_missing_in_the_database_is_derived_from_the_alerts(firing: bool) -> None:
    webhooks = [(33.0, (alert(0),)), (34.0, (alert(0, None if firing else 34),))]
    stored = replace(after(*webhooks), began_at=None, ended_at=None)
    assert firing_period(stored).lasted(at(34 * MINUTE)) == "34 min"
    bare = replace(stored, alerts={})
    assert firing_period(bare).lasted(at(34 * MINUTE)).startswith("at least")


TIMES = st.one_of(st.integers(-(10**9), 10**9), st.integers(-7200, 7200), st.just(-1772366400))


@given(st.lists(st.tuples(TIMES, st.none() | TIMES, st.sampled_from("abc")), min_size=1, max_size=8), st.data())
def test_any_times_give_a_possible_period(alerts: list[tuple[int, int | None, str]], data: st.DataObject) -> None:
    known, now = None, at(0)
    for starts, ends, pod in alerts:
        now += timedelta(seconds=data.draw(st.integers(0, 3600)))
        change = receive(known, a_group(an_alert(starts=starts, ends=ends, pod=pod)), now, RULES, "uid")
        assert change is not None
        known = change.incident
        period = firing_period(known)
        assert at(0) - timedelta(days=367) <= period.started_at <= (period.ended_at or now) <= now
        assert period.duration(now) >= timedelta(0)
        assert (period.ended_at is None) == (not known.resolved)
