"""What was learned about an incident, kept for its page."""

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


def measured(seconds: float, value: float) -> Context:
    fact = Fact("failed", "Failed", Unit.RATIO, value, at(seconds), verdict=Verdict.BAD, why="above 5 %")
    return Context(at(seconds), (fact,))


def end(engine: sa.Engine, ends: float) -> None:
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(ends + 20))
    intake.accept(a_group(an_alert(ends=ends)))
    intake.close()


def test_the_last_while_it_fired_and_the_peaks_are_kept_beside_what_comes_after_the_end(engine: sa.Engine) -> None:
    contexts = StoreContexts(engine)
    for each in (measured(100, 0.9), measured(200, 0.3)):
        contexts.keep({1: each})
    end(engine, 300)
    contexts.keep({1: measured(310, 0.0)})
    kept = StoreReader(engine).measured(1, at(400))
    assert Measured(measured(310, 0.0), measured(200, 0.3), measured(100, 0.9).facts) == kept
    contexts.keep({1: measured(250, 0.4)})  # on its way when the end came
    assert Measured(measured(310, 0.0), measured(250, 0.4), kept.peaks) == contexts.measured(1, at(400))


def test_a_row_of_an_older_version_says_only_of_when_it_is(engine: sa.Engine) -> None:
    """It has neither column, and its incident no start of its own."""
    contexts = StoreContexts(engine)
    contexts.keep({1: measured(100, 0.9)})
    end(engine, 300)
    contexts.keep({1: measured(310, 0.0)})
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE incident_context SET fired = NULL, peaks = NULL"))
        connection.execute(sa.text("UPDATE incident SET began_at = NULL, ended_at = NULL"))
    assert Measured(measured(310, 0.0)) == contexts.measured(1, at(400))
    contexts.keep({1: measured(330, 0.1)})
    kept, incident = contexts.measured(1, at(400)), StoreReader(engine).incident(1)
    assert Measured(measured(330, 0.1)) == kept and incident is not None
    period = firing_period(incident)
    told = as_of(kept, period.started_at, period.ended_at)
    assert isinstance(told, AfterEnd) and told.during is None


@pytest.mark.parametrize("resolved", [False, True])
def test_a_list_counts_what_an_older_version_stored_from_its_alerts_start(engine: sa.Engine, resolved: bool) -> None:
    if resolved:
        end(engine, 300)
    reader = StoreReader(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE incident SET opened_at = updated_at, began_at = NULL, ended_at = NULL"))
    (listed,), shown = reader.list_incidents(resolved=resolved), reader.incident(1)
    assert shown is not None and firing_period(shown) == firing_period(listed)
    assert at(0) == firing_period(listed).started_at and listed.alerts == {}
