"""The last five similar incidents on the page of an incident and in the API."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bridge.core.facts import ChangeEvent
from bridge.core.incidents.periods import Period
from bridge.core.recurrence import WINDOW, Earlier, Recurrence
from tests.web.web_fakes import NOW, World

BEGAN = NOW - timedelta(days=2)
ROLLBACK = ChangeEvent("rollback", "api", BEGAN + timedelta(minutes=20), "Rollback", "<1.0>", by="Ana <a@x>")
EARLIER = Earlier(6, "Old <b>one</b>", Period(BEGAN, BEGAN + timedelta(minutes=23)), "", ROLLBACK)


def world(*earlier: Earlier) -> World:
    found = World()
    found.reader.recurrences[7] = Recurrence(len(earlier) + 1, WINDOW, earlier, "Failing (<i>api</i>)")
    return found


def test_the_page_lists_earlier_incidents_with_what_ended_each() -> None:
    by_user = replace(EARLIER, number=5, resolved_by="ben", change=None)
    page = world(EARLIER, by_user).get("/incidents/7").text
    words = " ".join(page.partition("<h2>Last time</h2>")[2].partition("<h2>Deliveries</h2>")[0].split())
    assert "3rd in 30 days." in words
    assert "lasted 23 min" in words and "3 min before its end" in words
    assert "ended after rollback to &lt;1.0&gt; (Ana &lt;a@x&gt;)" in words and "resolved by ben" in words
    assert words.index('href="/incidents/6"') < words.index('href="/incidents/5"')
    assert "<b>" not in words and "<i>" not in words


def test_the_api_has_times_and_changes_of_earlier_incidents() -> None:
    found = world(EARLIER).get("/api/v1/incidents/7").json
    assert found is not None
    recurrence = found["recurrence"]
    (earlier,) = recurrence["earlier"]
    assert tuple(recurrence[name] for name in ("subject", "count", "at_least", "window_seconds")) == (
        "Failing (<i>api</i>)",
        2,
        False,
        2_592_000,
    )
    assert recurrence["text"].endswith("2nd in 30 days; last #6, 23 min, ended after rollback to <1.0> (Ana <a@x>)")
    assert tuple(earlier[name] for name in ("number", "duration_seconds", "duration_exact", "resolved_by")) == (
        6,
        1380,
        True,
        None,
    )
    assert tuple(earlier["change"][name] for name in ("kind", "version", "by")) == ("rollback", "<1.0>", "Ana <a@x>")


def test_the_first_incident_has_no_last_time_on_page_and_in_api() -> None:
    first = World()
    assert "Last time" not in first.get("/incidents/7").text
    found = first.get("/api/v1/incidents/7").json
    assert found is not None and found["recurrence"] is None
