"""Pictures on SQLite and PostgreSQL: stored for a limited time, with a signing key that all processes share."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from bridge.core.charts.chart import Picture
from bridge.core.charts.signed_links import LinkCheck, link_check
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreActions, StoreCharts, StoreDeliveries, StoreIntake
from bridge.store.charts import KEPT, LARGEST, MOST, picture
from tests.builders import a_group, an_alert, at

POLICY = Policy(Rules(), Route(notify=("slack",)), {"slack": ChannelSpec("slack", send_resolved=False)})


@pytest.fixture
def number(engine: sa.Engine) -> int:
    """Of an incident."""
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(1))
    try:
        return intake.accept(a_group(an_alert())).number
    finally:
        intake.close()


@pytest.fixture
def kept(engine: sa.Engine) -> StoreCharts:
    return StoreCharts(engine, lambda: at(0))


def a_picture(seconds: float = 0, png: bytes = b"PNG") -> Picture:
    return Picture("expression", "A “title”", "In words", png, at(seconds))


def count(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(picture)) or 0)


def test_a_picture_is_read_as_it_was_stored(kept: StoreCharts, number: int) -> None:
    one, two = kept.keep(number, a_picture()), kept.keep(number, a_picture(5))
    assert one is not None
    assert kept.of_incident(number) == [two, one]
    assert kept.png(one.name) == b"PNG"
    assert kept.png("unknown") is None


def test_the_link_of_a_picture_is_valid_while_it_is_kept(kept: StoreCharts, number: int) -> None:
    found = kept.keep(number, a_picture())
    assert found is not None
    query = dict(part.split("=") for part in found.path.partition("?")[2].split("&"))
    opens = [link_check(found.name, **query, key=kept.key(), now=now) for now in (at(0), at(0) + KEPT)]
    assert opens == [LinkCheck.VALID, LinkCheck.EXPIRED]


def test_every_process_signs_with_the_same_key(engine: sa.Engine, kept: StoreCharts) -> None:
    other = StoreCharts(engine, lambda: at(0))
    assert kept.key() == other.key() == kept.key()
    assert len(kept.key()) == 32


def test_an_incident_keeps_its_newest_pictures_only(kept: StoreCharts, number: int) -> None:
    for second in range(MOST + 3):
        kept.keep(number, replace(a_picture(second), title=f"Rule {second}"))
    assert [each.picture.at for each in kept.of_incident(number)] == [at(second) for second in range(MOST + 2, 2, -1)]


def test_of_repeated_pictures_the_newest_and_the_first_are_kept(kept: StoreCharts, number: int) -> None:
    kept.keep(number, replace(a_picture(7), title="Another"))
    for second in range(100):
        kept.keep(number, a_picture(10 + second))
    found = [each.picture.at for each in kept.of_incident(number)]
    assert found == [at(109), at(108), at(107), at(10), at(7)]


def test_old_pictures_are_deleted(engine: sa.Engine, kept: StoreCharts, number: int) -> None:
    kept.keep(number, a_picture())
    later: datetime = at(1) + KEPT
    StoreCharts(engine, lambda: later).keep(number, Picture("expression", "", "", b"", later))
    assert [each.picture.at for each in kept.of_incident(number)] == [later]


def test_the_pictures_of_a_deleted_incident_are_deleted(engine: sa.Engine, kept: StoreCharts, number: int) -> None:
    kept.keep(number, a_picture())
    StoreActions(engine, lambda: POLICY).resolve(number, "ann", at(9))
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE delivery SET pending = false"))
    assert StoreDeliveries(engine).forget(at(10) + timedelta(days=1)) == 1
    assert count(engine) == 0


def test_a_picture_without_incident_or_too_large_is_not_stored(
    engine: sa.Engine, kept: StoreCharts, number: int
) -> None:
    assert kept.keep(number + 1, a_picture()) is None
    assert kept.keep(number, a_picture(png=b"x" * (LARGEST + 1))) is None
    assert count(engine) == 0
