"""A small bridge's store on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from bridge.store import StoreDeliveries, StoreIntake, open_database
from tests.store.small_store import POLICY, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def intake(engine: sa.Engine, clock: Clock) -> Iterator[StoreIntake]:
    intake = StoreIntake(engine, lambda: POLICY, clock)
    yield intake
    intake.close()


@pytest.fixture
def store(engine: sa.Engine) -> StoreDeliveries:
    return StoreDeliveries(engine)
