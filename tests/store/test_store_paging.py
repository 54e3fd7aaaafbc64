"""Long lists: counted, sorted and cut by the database, and stable while everything in them changes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from bridge.core.cursors import BadCursor, Page, cursor_of
from bridge.core.delivery.dead_letters import DeadLetterFilter
from bridge.core.errors import Reason
from bridge.core.facts import ChangeEvent
from bridge.core.model import Incident, Severity, State
from bridge.store import StoreChanges, StoreReader
from bridge.store.database import transaction
from bridge.store.rows import incident_row
from bridge.store.tables import delivery, incident
from tests.builders import a_group, at
from tests.store.storm_world import POLICY, World

T = TypeVar("T")
BLANK = Incident.begun(a_group(), "Slow", at(0), "uid")


def an_incident(number: int, severity: Severity, state: State = State.OPEN, updated: float = 0) -> dict[str, Any]:
    ended = at(updated) if state is State.RESOLVED else None
    found = replace(
        BLANK, uid=f"u{number}", key=f"k{number}", severity=severity, state=state, updated_at=at(updated),
        opened_at=at(number), resolved_at=ended,
    )  # fmt: skip
    return {"number": number, **incident_row(found)}


def keep(engine: sa.Engine, *rows: dict[str, Any], table: sa.Table = incident) -> None:
    with transaction(engine) as connection:
        connection.execute(sa.insert(table), list(rows))


def pages(ask: Callable[[str | None], Page[T]], between: Callable[[], object] = lambda: None) -> Iterator[Page[T]]:
    cursor: str | None = None
    while True:
        page = ask(cursor)
        yield page
        if page.next is None:
            return
        cursor = page.next
        between()


def numbers(found: Iterator[Page[Incident]]) -> list[int]:
    return [each.number for page in found for each in page.items]


@pytest.fixture
def reader(engine: sa.Engine) -> StoreReader:
    return StoreReader(engine)


def a_crowd(engine: sa.Engine, count: int = 120) -> list[dict[str, Any]]:
    """Every severity in every state, in any order; several have the same time of update."""
    chance = random.Random(1)
    kinds = [(severity, state) for severity in Severity for state in State] * (count // 15)
    chance.shuffle(kinds)
    rows = [an_incident(number + 1, *kind, updated=chance.randrange(20)) for number, kind in enumerate(kinds)]
    keep(engine, *rows)
    return rows


def urgency(row: dict[str, Any]) -> tuple[Any, ...]:
    return Severity(row["severity"]).rank, row["state"] != "open", row["number"]


@pytest.mark.parametrize("limit", [1, 7, 80, 1000])
def test_open_incidents_are_sorted_by_urgency_and_the_oldest_first(
    engine: sa.Engine, reader: StoreReader, limit: int
) -> None:
    rows = [row for row in a_crowd(engine) if row["state"] != "resolved"]
    found = list(pages(lambda after: reader.page_of_incidents(resolved=False, limit=limit, after=after)))
    assert numbers(iter(found)) == [row["number"] for row in sorted(rows, key=urgency)]
    assert {page.total for page in found} == {80}
    assert [page.before for page in found] == [*range(0, 80, limit)]
    assert all(len(page.items) == limit for page in found[:-1])


def test_resolved_incidents_are_sorted_by_their_end_the_newest_first(engine: sa.Engine, reader: StoreReader) -> None:
    rows = [row for row in a_crowd(engine) if row["state"] == "resolved"]
    found = list(pages(lambda after: reader.page_of_incidents(resolved=True, limit=7, after=after)))
    newest = sorted(rows, key=lambda row: (row["updated_at"], row["number"]), reverse=True)
    assert numbers(iter(found)) == [row["number"] for row in newest]
    assert ([page.before for page in found], {page.total for page in found}) == ([*range(0, 40, 7)], {40})


@pytest.mark.parametrize("limit", [1, 7, 40, 80, 100, 120])
def test_all_incidents_are_the_open_ones_and_then_the_resolved_ones(
    engine: sa.Engine, reader: StoreReader, limit: int
) -> None:
    a_crowd(engine)
    both = list(pages(lambda after: reader.page_of_incidents(limit=limit, after=after)))
    parts = [reader.list_incidents(resolved=resolved, limit=1000) for resolved in (False, True)]
    assert numbers(iter(both)) == [each.number for part in parts for each in part]
    assert ([page.before for page in both], {page.total for page in both}) == ([*range(0, 120, limit)], {120})


def test_open_incidents_are_counted_by_severity(engine: sa.Engine, reader: StoreReader) -> None:
    assert reader.open_counts() == {}
    a_crowd(engine)
    assert list(reader.open_counts()) == list(Severity)
    assert set(reader.open_counts().values()) == {(16, 8)}


@pytest.mark.parametrize("resolved", [False, True, None])
def test_changes_between_two_pages_move_no_other_incident(
    engine: sa.Engine, reader: StoreReader, resolved: bool | None
) -> None:
    before = {row["number"] for row in a_crowd(engine) if resolved in (None, row["state"] == "resolved")}
    fresh = iter(range(1000, 2000))
    seen: list[Any] = []

    def rush() -> None:
        """More incidents open and resolve, each the most urgent and newest; older ones resolve or are updated."""
        kinds = ((Severity.CRITICAL, State.OPEN), (Severity.NONE, State.ACKNOWLEDGED), (Severity.INFO, State.RESOLVED))
        keep(engine, *(an_incident(next(fresh), *kind, updated=5000 + len(seen)) for kind in kinds))
        with transaction(engine) as connection:
            connection.execute(sa.delete(incident).where(incident.c.number == seen[0]))
            touched = sa.update(incident).where(incident.c.state != "resolved")
            connection.execute(touched.values(updated_at=at(9000 + len(seen)), seen_at=at(9000), revision=9))

    for page in pages(lambda after: reader.page_of_incidents(resolved=resolved, limit=9, after=after), rush):
        seen += [each.number for each in page.items]
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


def test_an_old_critical_is_on_the_first_page_of_a_flood(engine: sa.Engine, reader: StoreReader) -> None:
    keep(
        engine,
        an_incident(1, Severity.CRITICAL),
        *(an_incident(2 + n, Severity.WARNING, updated=n) for n in range(3000)),
    )
    first = reader.page_of_incidents(resolved=False, limit=100)
    assert ([each.number for each in first.items[:3]], first.total) == ([1, 2, 3], 3001)


def a_letter(number: int, recipient: str = "", *, changed: float = 0, dead: bool = True) -> dict[str, Any]:
    return {
        "incident_number": number, "channel": "mail", "recipient": recipient, "rank": 0, "firing": True, "wanted": 1,
        "sent": 0, "pending": False, "dead": dead, "wanted_at": at(0), "changed_at": at(changed), "due_at": at(0),
        "in_flight": False, "attempts": 1, "shrink": False, "handle": {}, "last_error": "payload: no",
        "hold_reason": "", "refused": "", "dead_reason": "payload",
    }  # fmt: skip


def test_dead_letters_are_sorted_the_oldest_first(engine: sa.Engine, reader: StoreReader) -> None:
    keep(engine, *(an_incident(number, Severity.INFO) for number in range(1, 41)))
    letters = [a_letter(number, name, changed=number % 5) for number in range(1, 41) for name in ("b@x.org", "ä@x.org")]
    keep(engine, *letters, *(a_letter(number, "c", dead=False) for number in range(1, 41)), table=delivery)
    found = list(pages(lambda after: reader.page_of_dead_letters(DeadLetterFilter(), 7, after)))
    items = [(each.incident_number, each.recipient) for page in found for each in page.items]
    by_time = sorted(letters, key=lambda row: (row["changed_at"], row["incident_number"]))
    assert [number for number, _ in items] == [row["incident_number"] for row in by_time]
    assert (len(set(items)), found[0].total, [page.before for page in found]) == (80, 80, [*range(0, 80, 7)])
    assert reader.page_of_dead_letters(DeadLetterFilter(reason=Reason.PAYLOAD), 1).total == 80
    assert reader.page_of_dead_letters(DeadLetterFilter(channel="slack"), 1).total == 0


def test_changes_are_sorted_the_newest_first(engine: sa.Engine) -> None:
    kept = StoreChanges(engine, lambda: at(0))
    for number in range(40):
        kept.record(ChangeEvent("deploy", "api", at(number % 6), f"v{number}", id=f"{number * 7919 % 97:064d}"))
    found = list(pages(lambda after: kept.page_of_changes(7, after)))
    items = [each for page in found for each in page.items]
    assert [each.at for each in items] == sorted((each.at for each in items), reverse=True)
    assert (len({each.id for each in items}), {page.total for page in found}) == (40, {40})
    assert [page.before for page in found] == [*range(0, 40, 7)]


def test_suppressed_incidents_are_counted_and_paged(engine: sa.Engine) -> None:
    world = World(engine, POLICY)
    world.fire(30)
    world.fire(8, "critical", "Worse")
    world.watch()
    found = list(pages(lambda after: world.reader.page_of_held("slack", world.now, 7, after)))
    items = [each for page in found for each in page.items]
    assert items == sorted(items, key=lambda each: (each.severity.rank, each.number))
    assert found[0].total == len(items) == len({each.number for each in items}) > 20
    assert [page.before for page in found] == [*range(0, len(items), 7)]


ALIEN = ["", "x", "!!", cursor_of("change", at(0), "1"), cursor_of("open", 99, 1), cursor_of("open", -1, 1)]


@pytest.mark.parametrize("cursor", [each for each in ALIEN if each])
def test_a_cursor_of_another_list_or_of_an_unknown_origin_is_refused(reader: StoreReader, cursor: str) -> None:
    for resolved in (False, True, None):
        with pytest.raises(BadCursor):
            reader.page_of_incidents(resolved=resolved, after=cursor)
    with pytest.raises(BadCursor):
        reader.page_of_dead_letters(DeadLetterFilter(), 1, cursor)
    with pytest.raises(BadCursor):
        reader.page_of_held("slack", at(0), 1, cursor)


@pytest.mark.parametrize("year", [1, 9999])
def test_a_cursor_with_an_extreme_time_is_valid(reader: StoreReader, year: int) -> None:
    cursor = cursor_of("resolved", datetime(year, 12, 31, tzinfo=UTC), 1)
    assert reader.page_of_incidents(resolved=True, after=cursor).items == ()
