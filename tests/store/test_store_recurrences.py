"""Earlier incidents on both databases: counted within bounds, whichever version wrote the rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
from bridge.store.prepared import Prepared
from bridge.store.tables import alert, incident
from dev.bench.history import fill
from tests.builders import NOON, an_alert, at
from tests.store.small_store import POLICY, Clock
from tests.store.statements import statements

AT_ONCE = replace(POLICY, rules=Rules(reopen_within=timedelta(0), flapping=None))
DAY = 86_400.0


class Outbreaks:
    """Alerts that fire and resolve, each time as a new incident."""

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
        """Fires and resolves; then time passes."""
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
    assert (found.count, found.at_least, found.subject) == (8, False, "")
    assert numbers(found) == before[:1:-1]
    assert found.earlier[0].period.lasted(outbreaks.clock.now) == "10 min"


def test_the_first_incident_has_no_recurrence(outbreaks: Outbreaks) -> None:
    outbreaks.once(ELSEWHERE, key="web")
    assert outbreaks.recurrence(outbreaks.post(FAILING)) is None


def test_an_incident_that_fired_at_the_same_time_does_not_count(outbreaks: Outbreaks) -> None:
    outbreaks.post(FAILING, key="a")
    outbreaks.clock.forward(60)
    second = outbreaks.post(FAILING, key="b")
    assert outbreaks.recurrence(second) is None
    outbreaks.clock.forward(60)
    outbreaks.end(FAILING, key="a")
    assert outbreaks.recurrence(second) is None


@pytest.mark.parametrize("flapping", [None, FLAPPING], ids=["reopened", "flapping"])
def test_a_reopened_or_flapping_incident_counts_once(
    engine: sa.Engine, clock: Clock, flapping: Flapping | None
) -> None:
    outbreaks = Outbreaks(engine, clock, replace(POLICY, rules=Rules(flapping=flapping)))
    begun = {outbreaks.once(FAILING, seconds=60) for _ in range(6)}
    assert len(begun) == 1
    assert outbreaks.incident(*begun).flapping is (flapping is not None)
    StoreEscalations(engine, lambda: POLICY).watch(clock.forward(3600))
    clock.forward(3600)
    found = outbreaks.recurrence(outbreaks.post(FAILING))
    assert (found.count if found else 0, numbers(found)) == (2, sorted(begun))
    outbreaks.intake.close()


def test_only_incidents_within_the_window_count(outbreaks: Outbreaks) -> None:
    outbreaks.once(FAILING)
    outbreaks.clock.forward(20 * DAY)
    second = outbreaks.once(FAILING)
    outbreaks.clock.forward(15 * DAY)
    third = outbreaks.post(FAILING)
    assert numbers(outbreaks.recurrence(third)) == [second]
    assert numbers(outbreaks.recurrence(third, timedelta(days=14))) == []


def test_the_change_or_the_user_that_ended_an_incident(outbreaks: Outbreaks) -> None:
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
    assert (by_user.number, by_user.resolved_by, by_user.change) == (second, "ben", None)
    assert (by_rollback.number, by_rollback.resolved_by) == (first, "")
    assert by_rollback.change is not None
    assert (by_rollback.change.kind, by_rollback.change.by) == ("rollback", "Ana")


def test_the_first_recurring_alert_of_several_is_the_subject(outbreaks: Outbreaks) -> None:
    slow = an_alert("Slow", service="api")
    first = outbreaks.once(slow, key="slow")
    found = outbreaks.recurrence(outbreaks.post(FAILING, slow))
    assert (numbers(found), found.subject if found else "") == ([first], "Slow (api)")


def test_many_incidents_are_looked_up_at_once(outbreaks: Outbreaks) -> None:
    api, web = outbreaks.once(FAILING), outbreaks.once(ELSEWHERE, key="web")
    incidents = [
        outbreaks.incident(outbreaks.post(each, key=f"{n}"))
        for n, each in enumerate((FAILING, ELSEWHERE, FAILING, an_alert()))
    ]
    found = StoreRecurrences(outbreaks.engine).of(incidents, WINDOW)
    assert {number: numbers(each) for number, each in found.items()} == {
        each.number: [last] for each, last in zip(incidents, (api, web, api), strict=False)
    }
    assert StoreRecurrences(outbreaks.engine).of([], WINDOW) == {}


def test_a_count_beyond_the_limit_is_a_lower_bound(outbreaks: Outbreaks, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        outbreaks.once(FAILING)
    monkeypatch.setattr(recurrences, "MOST", 3)
    query = recurrences._FOUND._statement
    assert isinstance(query, sa.Select)
    monkeypatch.setattr(recurrences, "_FOUND", Prepared(query.limit(3)))
    last = outbreaks.post(FAILING)
    found = outbreaks.recurrence(last)
    assert ((found.count, found.at_least) if found else None) == (4, True)
    within = outbreaks.recurrence(last, timedelta(seconds=1500))  # older ones are not read
    assert ((within.count, within.at_least) if within else None) == (3, False)


def test_rows_of_an_earlier_version_are_filled_in_and_found(outbreaks: Outbreaks) -> None:
    first = outbreaks.once(FAILING)
    last = outbreaks.post(FAILING)
    with outbreaks.engine.begin() as connection:
        connection.execute(sa.update(alert).values(recurrence=None))
    store = StoreRecurrences(outbreaks.engine)
    assert outbreaks.recurrence(last) is None
    assert (store.fill_in(), store.fill_in()) == (2, 0)
    assert numbers(outbreaks.recurrence(last)) == [first]


def test_rows_are_filled_in_from_the_newest_in_bounded_steps(
    outbreaks: Outbreaks, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = [outbreaks.once(an_alert("Failing", service=f"s{n}"), key=f"{n}") for n in range(5)]
    with outbreaks.engine.begin() as connection:
        connection.execute(sa.update(alert).values(recurrence=None))
        connection.execute(
            sa.update(alert).where(alert.c.incident_number == every[2]).values(labels=sa.literal("broken", sa.Text))
        )
    for name in ("_UNFILLED", "_LABELS"):
        monkeypatch.setattr(recurrences, name, getattr(recurrences, name).limit(2))
    store = StoreRecurrences(outbreaks.engine)
    left = [_without_key(outbreaks.engine) for _ in range(4) if store.fill_in() >= 0]
    assert left == [every[:3], every[:1], [], []]


def _without_key(engine: sa.Engine) -> list[int]:
    query = sa.select(alert.c.incident_number).where(alert.c.recurrence.is_(None)).order_by(alert.c.incident_number)
    with engine.connect() as connection:
        return list(connection.scalars(query))


def test_a_process_of_an_earlier_version_keeps_the_key_of_an_alert(outbreaks: Outbreaks) -> None:
    number = outbreaks.post(FAILING)
    with outbreaks.engine.begin() as connection:
        connection.execute(sa.update(alert).values(status="resolved"))
        key = connection.scalar(sa.select(alert.c.recurrence).where(alert.c.incident_number == number))
    assert key == recurrence_key(FAILING.labels)


def test_an_unreadable_earlier_incident_affects_no_other(outbreaks: Outbreaks) -> None:
    outbreaks.once(FAILING)
    broken = outbreaks.once(FAILING)
    web = outbreaks.once(ELSEWHERE, key="web")
    with outbreaks.engine.begin() as connection:
        connection.execute(sa.update(incident).where(incident.c.number == broken).values(severity="broken"))
    incidents = [outbreaks.incident(outbreaks.post(each, key=each.labels["pod"])) for each in (FAILING, ELSEWHERE)]
    found = StoreRecurrences(outbreaks.engine).of(incidents, WINDOW)
    assert [numbers(found[each.number]) for each in incidents] == [[], [web]]


def test_a_deleted_incident_does_not_count(outbreaks: Outbreaks) -> None:
    first = outbreaks.once(FAILING)
    second = outbreaks.once(FAILING)
    with outbreaks.engine.begin() as connection:
        connection.execute(sa.delete(incident).where(incident.c.number == first))
    found = outbreaks.recurrence(outbreaks.post(FAILING))
    assert (found.count if found else 0, numbers(found)) == (2, [second])


def test_the_reader_returns_at_most_five_earlier_incidents(outbreaks: Outbreaks) -> None:
    for _ in range(7):
        outbreaks.once(FAILING)
    last = outbreaks.incident(outbreaks.post(FAILING))
    found = StoreReader(outbreaks.engine).recurrence(last, WINDOW)
    assert (found.count if found else 0, len(numbers(found))) == (8, 5)


def test_a_lookup_uses_the_indexes_of_key_and_number_only(engine: sa.Engine) -> None:
    incidents = fill(engine, 3000, 30, NOON)[0]
    with statements(engine) as seen:
        found = StoreRecurrences(engine).of([incidents], WINDOW).get(incidents.number)
        assert StoreRecurrences(engine).fill_in() == 0
    assert ((found.count, found.at_least) if found else None) == (101, False)
    plans = [plan_of(engine, *each) for each in seen if re.search(r"alert\.recurrence (=|IS)", each[0])]
    assert [plan.count("alert_by_recurrence") for plan in plans] == [1, 1]
    assert re.findall(r"SCAN (?:alert|incident)|Seq Scan|Hash Join|Merge Join", "".join(plans)) == []


def plan_of(engine: sa.Engine, statement: str, parameters: Any) -> str:
    explain = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    return "\n".join(str(row[-1]) for row in rows)
