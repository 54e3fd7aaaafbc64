"""What was learned about an incident, kept for its page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bridge.core.facts import Unknown
from bridge.core.incidents import Rules
from bridge.core.model import ChannelSpec
from bridge.core.routing import Route
from bridge.rendering.sample import sample_context
from bridge.store import Policy, StoreContexts, StoreIntake, StoreReader, open_database
from tests.builders import a_group, an_alert, at

POLICY = Policy(Rules(), Route(notify=("pager",)), {"pager": ChannelSpec("pager")})
CONTEXT = replace(sample_context(), at=at(100), unknown=(Unknown("PSI", "Prometheus does not answer", silent=True),))


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = open_database(database_url)
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(1))
    intake.accept(a_group(an_alert()))
    intake.close()
    yield engine
    engine.dispose()


def test_what_was_learned_is_kept_whole(engine: sa.Engine) -> None:
    assert StoreReader(engine).context(1, at(200)) is None
    StoreContexts(engine).keep({1: CONTEXT})
    assert CONTEXT == StoreReader(engine).context(1, at(200))


def test_the_newest_is_kept_whatever_the_order(engine: sa.Engine) -> None:
    contexts = StoreContexts(engine)
    newer, older = replace(CONTEXT, at=at(300)), replace(CONTEXT, at=at(200))
    contexts.keep({1: newer})
    contexts.keep({1: older})
    assert newer == contexts.context(1, at(400))


def test_an_incident_that_was_forgotten_meanwhile_is_no_fault(engine: sa.Engine) -> None:
    StoreContexts(engine).keep({1: CONTEXT, 99: CONTEXT})
    assert CONTEXT == StoreContexts(engine).context(1, at(200))
    assert StoreContexts(engine).context(99, at(200)) is None


def test_what_another_version_wrote_is_not_shown(engine: sa.Engine) -> None:
    StoreContexts(engine).keep({1: CONTEXT})
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE incident_context SET data = '{\"other\": 1}'"))
    assert StoreContexts(engine).context(1, at(200)) is None
