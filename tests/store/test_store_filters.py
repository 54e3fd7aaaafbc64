"""Which incidents a filter finds, on both databases, and page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from bridge.core.model import Severity, State
from bridge.core.routing.matchers import parse_matchers
from bridge.core.views import IncidentFilter
from bridge.store import StoreActions, StoreIntake, StoreReader, open_database
from tests.builders import a_group, an_alert, at
from tests.store.small_store import POLICY


@pytest.fixture(scope="module")
def reader(shared_database_url: str) -> Iterator[StoreReader]:
    engine: sa.Engine = open_database(shared_database_url)
    now = [at(0)]
    intake = StoreIntake(engine, lambda: POLICY, lambda: now[0])
    errors = an_alert("Errors", "warning", summary="Größe 100% _x", team="search")
    odd = replace(errors, labels={**errors.labels, "über name": 'say "hi"'})
    intake.accept(a_group(an_alert("Latency", team="ml", pod="a-1"), an_alert("Latency", team="data"), key="1"))
    intake.accept(a_group(odd, key="2", source="other"))
    intake.accept(a_group(an_alert("Down", team="ML"), key="3"))
    now[0] = at(1000)
    intake.accept(a_group(an_alert("Down", team="ML", ends=900), key="3"))
    intake.accept(a_group(an_alert("Late", "info", starts=950), key="4"))
    StoreActions(engine, lambda: POLICY).acknowledge(1, "Ana", at(1001))
    intake.close()
    yield StoreReader(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (IncidentFilter(), {1, 2, 3, 4}),
        (IncidentFilter(text="latency"), {1}),
        (IncidentFilter(text='say "hi"'), {2}),
        (IncidentFilter(text="Größe 100%"), {2}),
        (IncidentFilter(text="100%_"), set()),
        (IncidentFilter(text="too many errors"), {1, 3, 4}),
        (IncidentFilter(severities=frozenset({Severity.WARNING, Severity.INFO})), {2, 4}),
        (IncidentFilter(states=frozenset({State.ACKNOWLEDGED, State.RESOLVED})), {1, 3}),
        (IncidentFilter(source="other"), {2}),
        (IncidentFilter(channel="mail"), {2}),
        (IncidentFilter(acknowledged_by="Ana"), {1}),
        (IncidentFilter(since=at(901)), {1, 2, 4}),
        (IncidentFilter(since=at(899), until=at(900)), {1, 2, 3}),
        (IncidentFilter(text="down", states=frozenset({State.OPEN})), set()),
    ],
)
def test_a_filter_finds(reader: StoreReader, wanted: IncidentFilter, numbers: set[int]) -> None:
    page = reader.page_of_incidents(wanted=wanted)
    assert ({each.number for each in page.items}, page.total) == (numbers, len(numbers))


@pytest.mark.parametrize(
    ("matchers", "numbers"),
    [
        ('team="ml"', {1}),
        ('team=~"(?i)ml"', {1, 3}),
        ('team=~"m.|search"', {1, 2}),
        ('team!~"ml|data"', {2, 3, 4}),
        ('team=""', {4}),
        ('team=~".*"', {1, 2, 3, 4}),
        ('team=~"none"', set()),
        ('pod=~".+"', {1}),
        ('"über name"="say \\"hi\\""', {2}),
        ('team="ml", pod=""', set()),
        ('team="data", pod=""', {1}),
    ],
)
def test_one_alert_satisfies_all_matchers(reader: StoreReader, matchers: str, numbers: set[int]) -> None:
    page = reader.page_of_incidents(wanted=IncidentFilter(matchers=parse_matchers(matchers)))
    assert {each.number for each in page.items} == numbers


@pytest.mark.parametrize("resolved", [None, False])
def test_a_filtered_list_goes_on_where_it_stopped(reader: StoreReader, resolved: bool | None) -> None:
    wanted, seen, after = IncidentFilter(matchers=parse_matchers('team!="search"')), list[int](), None
    for before in range(4):
        page = reader.page_of_incidents(resolved=resolved, limit=1, after=after, wanted=wanted)
        assert page.total == (3 if resolved is None else 2) and page.before == before
        seen += [each.number for each in page.items]
        after = page.next
        if after is None:
            break
    assert seen == ([1, 4, 3] if resolved is None else [1, 4])


def test_values_of_a_label_are_one_parameter_however_many_there_are(database_url: str) -> None:
    """A database takes some ten thousands of parameters, and a label such as pod has more values in a year."""
    engine = open_database(database_url)
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(0))
    intake.accept(a_group(*(an_alert("Down", pod=f"{'ab'[number % 2]}-{number}") for number in range(500)), key="1"))
    counts = list[int]()

    @sa.event.listens_for(engine, "before_cursor_execute")
    def count(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        counts.append(len(parameters or ()))

    reader = StoreReader(engine)
    for matcher, found in (('pod=~"a-.*"', 1), ('pod!~"[ab]-.*"', 0), ('pod!~"a-.*"', 1)):
        page = reader.page_of_incidents(wanted=IncidentFilter(matchers=parse_matchers(matcher)))
        assert page.total == found
    assert 0 < max(counts) < 200
    intake.close()
    engine.dispose()
