"""Dead letters on both databases: filtered, explained, and replayed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge.core.delivery.dead_letters import ADVICE, DeadLetterFilter
from bridge.core.errors import Reason
from bridge.core.incidents.transitions import Rules
from bridge.core.model import ChannelSpec
from bridge.core.ports import ChannelCapacity, GiveUp
from bridge.core.routing.tree import Route
from bridge.store import Policy, StoreDeadLetters
from tests.builders import an_alert, at
from tests.store.machine import Machine

TO = ("ada@example.org", "bob@example.org")
CHANNELS = {"pager": ChannelSpec("pager"), "mail": ChannelSpec("mail", recipients=TO, edits=False)}
GONE = GiveUp(Reason.DESTINATION, "HTTP 404", refused='{"events": []}')
REFUSED = GiveUp(Reason.PAYLOAD, "550 no", refused="Subject: x")


@pytest.fixture
def machine(database_url: str) -> Iterator[Machine]:
    """Two incidents with three dead letters each: the page and both mails."""
    machine = Machine(database_url)
    machine.policy = Policy(Rules(), Route(notify=tuple(CHANNELS)), CHANNELS)
    for number in (1, 2):
        machine.accept(at(number), an_alert(), key=str(number))
        claims = machine.store.claim(CAPACITIES, at(number + 5))
        outcomes = [(claim, GONE if claim.target.channel == "pager" else REFUSED) for claim in claims]
        machine.store.settle(outcomes, at(number * 10))
    yield machine
    machine.engine.dispose()


CAPACITIES = [ChannelCapacity(name, 100, None, 1, 60.0) for name in CHANNELS]


def numbers(machine: Machine, wanted: DeadLetterFilter) -> list[tuple[int, str]]:
    found = StoreDeadLetters(machine.engine).found(wanted)
    return [(letter.incident_number, f"{letter.channel} {letter.recipient}".strip()) for letter in found]


MAILS = [f"mail {recipient}" for recipient in TO]


def test_each_dead_letter_is_listed_with_payload_time_and_reason(machine: Machine) -> None:
    letters = StoreDeadLetters(machine.engine).found(DeadLetterFilter())
    assert numbers(machine, DeadLetterFilter()) == [(n, whom) for n in (1, 2) for whom in (*MAILS, "pager")]
    mail, page = letters[0], letters[2]
    assert (mail.since, mail.reason, mail.detail, mail.refused) == (at(10), Reason.PAYLOAD, "550 no", "Subject: x")
    assert (page.reason, page.refused, page.attempts) == (Reason.DESTINATION, '{"events": []}', 1)
    assert (page.state, page.severity, page.advice) == ("open", "critical", ADVICE[Reason.DESTINATION])


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (DeadLetterFilter(), 6),
        (DeadLetterFilter(1), 3),
        (DeadLetterFilter(channel="pager"), 2),
        (DeadLetterFilter(reason=Reason.PAYLOAD), 4),
        (DeadLetterFilter(2, "mail", Reason.PAYLOAD), 2),
        (DeadLetterFilter(2, "pager", Reason.PAYLOAD), 0),
    ],
)
def test_a_filter_finds_counts_and_replays_the_same_dead_letters(
    machine: Machine, wanted: DeadLetterFilter, count: int
) -> None:
    letters = StoreDeadLetters(machine.engine)
    assert (len(letters.found(wanted)), letters.count(wanted)) == (count, count)
    assert letters.count(DeadLetterFilter()) == 6  # counting replays nothing
    assert letters.replay(wanted, at(100)) == count
    assert letters.count(DeadLetterFilter()) == 6 - count
    assert len(machine.store.claim(CAPACITIES, at(101))) == count


def test_a_replay_shows_the_current_state(machine: Machine) -> None:
    machine.policy = Policy(Rules(), Route(notify=()), CHANNELS)  # so that the end is not notified by itself
    machine.actions.resolve(1, "ada", at(100))
    StoreDeadLetters(machine.engine).replay(DeadLetterFilter(), at(101))
    claims = machine.store.claim(CAPACITIES[:1], at(102))
    # the ended incident was never notified, so it is skipped
    assert {claim.incident_number: claim.firing for claim in claims} == {2: True}


def test_only_a_dead_letter_has_a_payload(machine: Machine) -> None:
    assert [each.refused for each in machine.reader.deliveries(1)] == ["Subject: x", "Subject: x", '{"events": []}']
    StoreDeadLetters(machine.engine).replay(DeadLetterFilter(1), at(100))
    assert [each.refused for each in machine.reader.deliveries(1)] == ["", "", ""]


def test_every_reason_is_explained() -> None:
    assert set(Reason) == set(ADVICE)
