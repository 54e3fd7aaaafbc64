"""`bridge incidents dead` and `replay`, against a real database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.core.delivery.dead_letters import DeadLetterFilter
from bridge.core.errors import Reason
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity, GiveUp
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreDeadLetters, StoreDeliveries, StoreIntake, open_database
from tests.builders import a_group, an_alert, at

CHANNELS = {name: ChannelSpec(name) for name in ("pager", "slack")}
POLICY = Policy(Rules(), Route(notify=tuple(CHANNELS)), CHANNELS)
CAPACITIES = [ChannelCapacity(name, 100, None, 1, 60.0) for name in CHANNELS]
PAYLOAD = '{"blocks": "\x1b[31m' + "x" * 500 + '"}'


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """Two incidents: Slack refused the payload of the first, PagerDuty the destination of the second."""
    url = f"sqlite:///{tmp_path}/bridge.db"
    engine = open_database(url)
    intake = StoreIntake(engine, lambda: POLICY, lambda: at(0))
    for key in ("1", "2"):
        intake.accept(a_group(an_alert(), key=key))
    intake.close()
    store = StoreDeliveries(engine)
    wrong = {
        (1, "slack"): GiveUp(Reason.PAYLOAD, "invalid_blocks", refused=PAYLOAD),
        (2, "pager"): GiveUp(Reason.DESTINATION, "HTTP 404", refused="{}"),
    }
    claims = store.claim(CAPACITIES, at(1))
    dead = [
        (claim, outcome) for claim in claims if (outcome := wrong.get((claim.incident_number, claim.target.channel)))
    ]
    store.settle(dead, at(2))
    yield url
    engine.dispose()


def run(database: str, *arguments: str) -> Result:
    from bridge.cli.main import main

    return CliRunner().invoke(main, ["incidents", "--database", database, *arguments])


def left(database: str) -> int:
    engine = open_database(database)
    count = StoreDeadLetters(engine).count(DeadLetterFilter())
    engine.dispose()
    return count


def test_dead_letters_are_listed_with_what_to_do(database: str) -> None:
    shown = run(database, "dead").output
    assert "#1  slack  since 2026-03-01 12:00Z  critical, open  HighErrors" in shown
    for words in ("payload: invalid_blocks", "bridge preview", "destination: HTTP 404", "bridge send-test"):
        assert words in shown
    assert len(shown) < 1500 and "\x1b" not in shown


def test_filtered_dead_letters_are_listed_and_json_has_the_whole_payload(database: str) -> None:
    (letter,) = json.loads(run(database, "dead", "--json", "--reason", "payload").output)
    assert (letter["incident_number"], letter["channel"], letter["refused"]) == (1, "slack", PAYLOAD)
    assert "smallest one" in letter["why"]
    assert run(database, "dead", "--channel", "mail").output == "No dead letters.\n"


def test_the_whole_refused_payload_is_shown_without_terminal_escapes(database: str) -> None:
    assert "x" * 500 in run(database, "dead", "--show", "1", "slack").output
    assert "\x1b" not in run(database, "dead", "--show", "1", "slack").output
    assert "There is no dead letter of incident 1 for pager" in run(database, "dead", "--show", "1", "pager").output


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["1"], 1),
        (["1", "--channel", "pager"], 0),
        (["--channel", "pager"], 1),
        (["--reason", "payload"], 1),
        (["--all"], 2),
    ],
)
def test_replay_prints_the_number_and_a_dry_run_changes_nothing(
    database: str, arguments: list[str], count: int
) -> None:
    letters = f"{count} dead letter{'' if count == 1 else 's'}"
    assert run(database, "replay", *arguments, "--dry-run").output == f"{letters} would be tried again.\n"
    assert left(database) == 2
    assert run(database, "replay", *arguments).output == f"{letters} will be tried again.\n"
    assert left(database) == 2 - count


@pytest.mark.parametrize("arguments", [[], ["--dry-run"], ["1", "--all"], ["--all", "--channel", "pager"]])
def test_replaying_everything_needs_the_option_all_by_itself(database: str, arguments: list[str]) -> None:
    refused = run(database, "replay", *arguments)
    assert (refused.exit_code, left(database)) == (2, 2)
    assert "a number, --channel, --reason, or else --all" in refused.output


def test_replay_reports_an_unknown_incident(database: str) -> None:
    assert "There is no incident 9." in run(database, "replay", "9").output
