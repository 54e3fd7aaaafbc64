"""What happened before, as both databases count it: within bounds, and whoever wrote the rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.core.facts import ChangeEvent
from bridge.core.incidents.state_changes import FLAPPING, Flapping
from bridge.core.incidents.transitions import Rules
from bridge.core.model import Alert, Group, Incident, Status
from bridge.core.recurrence import WINDOW, Recurrence, recurrence_key
from bridge.store import (
    Policy,
    StoreActions,
    StoreChanges,
    StoreEscalations,
    StoreIntake,
    StoreReader,
    StoreRecurrences,
    recurrences,
)
from bridge.store.tables import alert, incident
from dev.bench.history import fill
from tests.builders import NOON, an_alert, at
from tests.store.small_store import POLICY, Clock

AT_ONCE = replace(POLICY, rules=Rules(reopen_within=timedelta(0), flapping=None))
DAY = 86_400.0


class Outbreaks:
    """Alerts that begin and end, each time an incident of its own."""

    def __init__(self, engine: sa.Engine, clock: Clock, policy: Policy | None = None) -> None:
        self.engine, self.clock = engine, clock
        self.intake = StoreIntake(engine, lambda: policy or AT_ONCE, clock)

    def post(self, *alerts: Alert, key: str = "group") -> int:
        seconds = (self.clock.now - at(0)).total_seconds()
        given = (replace(each, starts_at=at(seconds)) if each.ends_at is None else each for each in alerts)
        return self.intake.accept(Group("prod", "bridge", key, {"alertname": alerts[0].name}, tuple(given))).number

    def end(self, *alerts: Alert, key: str = "group") -> int:
        number = self.post(*(ended(each, self.clock.now) for each in alerts), key=key)
        self.clock.forward(120)
        return number

    def once(self, *alerts: Alert, key: str = "group", seconds: float = 600) -> int:
        """Begins and ends; then nothing happens for a while."""
        number = self.post(*alerts, key=key)
        self.clock.forward(seconds)
        return self.end(*alerts, key=key) and number

    def recurrence(self, number: int, window: timedelta = WINDOW, most: int = 5) -> Recurrence | None:
        return StoreRecurrences(self.engine).of([self.incident(number)], window, most).get(number)

    def incident(self, number: int) -> Incident:
        found = StoreReader(self.engine).incident(number)
        assert found is not None
        return found


def ended(each: Alert, now: datetime) -> Alert:
    return replace(each, status=Status.RESOLVED, ends_at=now)


@pytest.fixture
def outbreaks(engine: sa.Engine, clock: Clock) -> Iterable[Outbreaks]:
    found = Outbreaks(engine, clock)
    yield found
    found.intake.close()


FAILING = an_alert("Failing", service="api", pod="api-1")
ELSEWHERE = an_alert("Failing", service="web", pod="web-1")


def numbers(found: Recurrence | None) -> list[int]:
    return [each.number for each in found.earlier] if found else []


def test_each_incident_counts_once_and_the_newest_come_first(outbreaks: Outbreaks) -> None:
    before = [outbreaks.once(an_alert("Failing", service="api", pod=f"api-{n}"), key=f"{n}") for n in range(7)]
    outbreaks.once(ELSEWHERE, key="web")
    found = outbreaks.recurrence(outbreaks.post(FAILING, key="now"))
    assert found is not None
    assert (8, False, "") == (found.count, found.at_least, found.subject)
    assert before[:1:-1] == numbers(found)
    assert "10 min" == found.earlier[0].period.lasted(outbreaks.clock.now)


def test_the_first_time_nothing_is_said(outbreaks: Outbreaks) -> None:
    outbreaks.once(ELSEWHERE, key="web")
    assert None is outbreaks.recurrence(outbreaks.post(FAILING))


def test_what_fires_at_the_same_time_is_not_earlier_nor_is_it_once_it_has_ended(outbreaks: Outbreaks) -> None:
    outbreaks.post(FAILING, key="a")
    outbreaks.clock.forward(60)
    second = outbreaks.post(FAILING, key="b")
    assert None is outbreaks.recurrence(second)
    outbreaks.clock.forward(60)
    outbreaks.end(FAILING, key="a")
    assert None is outbreaks.recurrence(second)


@pytest.mark.parametrize("flapping", [None, FLAPPING], ids=["reopened", "flapping"])
def test_an_incident_that_comes_and_goes_counts_once(
    engine: sa.Engine, clock: Clock, flapping: Flapping | None
) -> None:
    outbreaks = Outbreaks(engine, clock, replace(POLICY, rules=Rules(flapping=flapping)))
    begun = {outbreaks.once(FAILING, seconds=60) for _ in range(6)}
    assert 1 == len(begun)
    assert outbreaks.incident(*begun).flapping is (flapping is not None)
    StoreEscalations(engine, lambda: POLICY).watch(clock.forward(3600))
    clock.forward(3600)
    found = outbreaks.recurrence(outbreaks.post(FAILING))
    assert (2, sorted(begun)) == (found.count if found else 0, numbers(found))
    outbreaks.intake.close()


def test_it_counts_as_far_back_as_the_window(outbreaks: Outbreaks) -> None:
    outbreaks.once(FAILING)
    outbreaks.clock.forward(20 * DAY)
    second = outbreaks.once(FAILING)
    outbreaks.clock.forward(15 * DAY)
    third = outbreaks.post(FAILING)
    assert [second] == numbers(outbreaks.recurrence(third))
    assert [] == numbers(outbreaks.recurrence(third, timedelta(days=14)))


def test_what_ended_it_and_who(outbreaks: Outbreaks) -> None:
    changes = StoreChanges(outbreaks.engine, outbreaks.clock)

    def change(kind: str, service: str = "api") -> None:
        changes.record(ChangeEvent(kind, service, outbreaks.clock.now, kind, "1.0.0", by="Ana"))
        outbreaks.clock.forward(60)

    change("deploy")
    first = outbreaks.post(FAILING)
    for kind, service in (("config", "api"), ("rollback", "api"), ("deploy", "web"), ("retraining", "api")):
        outbreaks.clock.forward(60)
        change(kind, service)
    outbreaks.end(FAILING)
    change("deploy")
    second = outbreaks.post(FAILING)
    StoreActions(outbreaks.engine, lambda: AT_ONCE).resolve(second, "ben", outbreaks.clock.forward(60))
    outbreaks.clock.forward(60)
    found = outbreaks.recurrence(outbreaks.post(FAILING, key="other"))
    assert found is not None
    by_user, by_rollback = found.earlier
    assert (second, "ben", None) == (by_user.number, by_user.resolved_by, by_user.change)
    assert (first, "") == (by_rollback.number, by_rollback.resolved_by)
    assert by_rollback.change is not None
    assert ("rollback", "Ana") == (by_rollback.change.kind, by_rollback.change.by)


def test_of_several_alerts_the_first_that_happened_before_is_named(outbreaks: Outbreaks) -> None:
    slow = an_alert("Slow", service="api")
    first = outbreaks.once(slow, key="slow")
    found = outbreaks.recurrence(outbreaks.post(FAILING, slow))
    assert ([first], "Slow (api)") == (numbers(found), found.subject if found else "")


def test_many_incidents_are_asked_about_at_once(outbreaks: Outbreaks) -> None:
    api, web = outbreaks.once(FAILING), outbreaks.once(ELSEWHERE, key="web")
    asked = [
        outbreaks.incident(outbreaks.post(each, key=f"{n}"))
        for n, each in enumerate((FAILING, ELSEWHERE, FAILING, an_alert()))
    ]
    found = StoreRecurrences(outbreaks.engine).of(asked, WINDOW)
    assert {each.number: [last] for each, last in zip(asked, (api, web, api), strict=False)} == {
        number: numbers(each) for number, each in found.items()
    }
    assert {} == StoreRecurrences(outbreaks.engine).of([], WINDOW)


def test_more_than_are_counted_is_said_to_be_more(outbreaks: Outbreaks, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        outbreaks.once(FAILING)
    monkeypatch.setattr(recurrences, "MOST", 3)
    monkeypatch.setattr(recurrences, "_FOUND", recurrences._FOUND.limit(3))
    last = outbreaks.post(FAILING)
    found = outbreaks.recurrence(last)
    assert (4, True) == ((found.count, found.at_least) if found else None)
    within = outbreaks.recurrence(last, timedelta(seconds=1500))  # older ones are not asked for
    assert (3, False) == ((within.count, within.at_least) if within else None)


def test_rows_of_an_earlier_version_are_filled_in_and_found(outbreaks: Outbreaks) -> None:
    first = outbreaks.once(FAILING)
    last = outbreaks.post(FAILING)
    with outbreaks.engine.begin() as connection:
        connection.execute(sa.update(alert).values(recurrence=None))
    store = StoreRecurrences(outbreaks.engine)
    assert None is outbreaks.recurrence(last)
    assert (2, 0) == (store.fill_in(), store.fill_in())
    assert [first] == numbers(outbreaks.recurrence(last))


def test_filling_in_goes_on_from_the_newest_in_bounded_steps(
    outbreaks: Outbreaks, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = [outbreaks.once(an_alert("Failing", service=f"s{n}"), key=f"{n}") for n in range(5)]
    with outbreaks.engine.begin() as connection:
        connection.execute(sa.update(alert).values(recurrence=None))
        connection.execute(
            sa.update(alert).where(alert.c.incident_number == every[2]).values(labels=sa.literal("spoilt", sa.Text))
        )
    for name in ("_UNFILLED", "_LABELS"):
        monkeypatch.setattr(recurrences, name, getattr(recurrences, name).limit(2))
    store = StoreRecurrences(outbreaks.engine)
    left = [_without_key(outbreaks.engine) for _ in range(4) if store.fill_in() >= 0]
    assert [every[:3], every[:1], [], []] == left


def _without_key(engine: sa.Engine) -> list[int]:
    query = sa.select(alert.c.incident_number).where(alert.c.recurrence.is_(None)).order_by(alert.c.incident_number)
    with engine.connect() as connection:
        return list(connection.scalars(query))


def test_a_process_of_an_earlier_version_that_changes_an_alert_leaves_its_key(outbreaks: Outbreaks) -> None:
    number = outbreaks.post(FAILING)
    with outbreaks.engine.begin() as connection:
        connection.execute(sa.update(alert).values(status="resolved"))
        key = connection.scalar(sa.select(alert.c.recurrence).where(alert.c.incident_number == number))
    assert recurrence_key(FAILING.labels) == key


def test_an_earlier_incident_that_cannot_be_read_takes_no_other_along(outbreaks: Outbreaks) -> None:
    outbreaks.once(FAILING)
    spoilt = outbreaks.once(FAILING)
    web = outbreaks.once(ELSEWHERE, key="web")
    with outbreaks.engine.begin() as connection:
        connection.execute(sa.update(incident).where(incident.c.number == spoilt).values(severity="spoilt"))
    asked = [outbreaks.incident(outbreaks.post(each, key=each.labels["pod"])) for each in (FAILING, ELSEWHERE)]
    found = StoreRecurrences(outbreaks.engine).of(asked, WINDOW)
    assert [[], [web]] == [numbers(found[each.number]) for each in asked]


def test_a_forgotten_incident_is_not_counted(outbreaks: Outbreaks) -> None:
    first = outbreaks.once(FAILING)
    second = outbreaks.once(FAILING)
    with outbreaks.engine.begin() as connection:
        connection.execute(sa.delete(incident).where(incident.c.number == first))
    found = outbreaks.recurrence(outbreaks.post(FAILING))
    assert (2, [second]) == (found.count if found else 0, numbers(found))


def test_a_group_of_its_own_keeps_the_reader_within_five(outbreaks: Outbreaks) -> None:
    for _ in range(7):
        outbreaks.once(FAILING)
    last = outbreaks.incident(outbreaks.post(FAILING))
    found = StoreReader(outbreaks.engine).recurrence(last, WINDOW)
    assert (8, 5) == (found.count if found else 0, len(numbers(found)))


def test_a_lookup_reads_by_its_key_and_by_number_alone(engine: sa.Engine) -> None:
    asked = fill(engine, 3000, 30, NOON)[0]
    with statements(engine) as seen:
        found = StoreRecurrences(engine).of([asked], WINDOW).get(asked.number)
        assert 0 == StoreRecurrences(engine).fill_in()
    assert (101, False) == ((found.count, found.at_least) if found else None)
    plans = [plan_of(engine, *each) for each in seen if re.search(r"alert\.recurrence (=|IS)", each[0])]
    assert [1, 1] == [plan.count("alert_by_recurrence") for plan in plans]
    assert [] == re.findall(r"SCAN (?:alert|incident)|Seq Scan|Hash Join|Merge Join", "".join(plans))


@contextmanager
def statements(engine: sa.Engine) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", note)


def plan_of(engine: sa.Engine, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)
