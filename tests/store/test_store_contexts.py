"""The contexts of an incident, stored for its page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bridge.core.context.measurements import Measured, as_of
from bridge.core.facts import AfterEnd, Context, Fact, Unit, Unknown, Verdict
from bridge.core.incidents.periods import firing_period
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.routing.tree import Route
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


def test_a_context_is_read_as_it_was_stored(engine: sa.Engine) -> None:
    assert StoreReader(engine).context(1, at(200)) is None
    StoreContexts(engine).keep({1: CONTEXT})
    assert StoreReader(engine).context(1, at(200)) == CONTEXT


def test_the_newest_context_is_kept_in_any_order(engine: sa.Engine) -> None:
    contexts = StoreContexts(engine)
    newer, older = replace(CONTEXT, at=at(300)), replace(CONTEXT, at=at(200))
    contexts.keep({1: newer})
    contexts.keep({1: older})
    assert contexts.context(1, at(400)) == newer


def test_a_context_of_a_deleted_incident_raises_nothing(engine: sa.Engine) -> None:
    StoreContexts(engine).keep({1: CONTEXT, 99: CONTEXT})
    assert StoreContexts(engine).context(1, at(200)) == CONTEXT
    assert StoreContexts(engine).context(99, at(200)) is None


def test_an_unreadable_context_of_another_version_is_not_shown(engine: sa.Engine) -> None:
    StoreContexts(engine).keep({1: CONTEXT})
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE incident_context SET data = '{\"other\": 1}'"))
    assert StoreContexts(engine).context(1, at(200)) is None


def measured(seconds: float, value: float) -> Context:
    fact = Fact("failed", "Failed", Unit.RATIO, value, at(seconds), verdict=Verdict.BAD, why="above 5 %")
    return Context(at(seconds), (fact,))


def end(engine: sa.Engine, ends: float) -> None:
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(ends + 20))
    intake.accept(a_group(an_alert(ends=ends)))
    intake.close()


def test_the_last_context_while_firing_and_the_peaks_are_kept_after_the_end(engine: sa.Engine) -> None:
    contexts = StoreContexts(engine)
    for each in (measured(100, 0.9), measured(200, 0.3)):
        contexts.keep({1: each})
    end(engine, 300)
    contexts.keep({1: measured(310, 0.0)})
    kept = StoreReader(engine).measured(1, at(400))
    assert kept == Measured(measured(310, 0.0), measured(200, 0.3), measured(100, 0.9).facts)
    contexts.keep({1: measured(250, 0.4)})  # being stored when the end arrived
    assert contexts.measured(1, at(400)) == Measured(measured(310, 0.0), measured(250, 0.4), kept.peaks)


def test_a_row_of_an_older_version_has_only_its_time(engine: sa.Engine) -> None:
    """It has neither column, and its incident has no start."""
    contexts = StoreContexts(engine)
    contexts.keep({1: measured(100, 0.9)})
    end(engine, 300)
    contexts.keep({1: measured(310, 0.0)})
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE incident_context SET fired = NULL, peaks = NULL"))
        connection.execute(sa.text("UPDATE incident SET began_at = NULL, ended_at = NULL"))
    assert contexts.measured(1, at(400)) == Measured(measured(310, 0.0))
    contexts.keep({1: measured(330, 0.1)})
    kept, incident = contexts.measured(1, at(400)), StoreReader(engine).incident(1)
    assert kept == Measured(measured(330, 0.1)) and incident is not None
    period = firing_period(incident)
    period_context = as_of(kept, period.started_at, period.ended_at)
    assert isinstance(period_context, AfterEnd) and period_context.during is None


@pytest.mark.parametrize("resolved", [False, True])
def test_an_older_row_counts_from_the_start_of_its_alerts_in_a_list(engine: sa.Engine, resolved: bool) -> None:
    if resolved:
        end(engine, 300)
    reader = StoreReader(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE incident SET opened_at = updated_at, began_at = NULL, ended_at = NULL"))
    (listed,), shown = reader.list_incidents(resolved=resolved), reader.incident(1)
    assert shown is not None and firing_period(shown) == firing_period(listed)
    assert firing_period(listed).started_at == at(0) and listed.alerts == {}
