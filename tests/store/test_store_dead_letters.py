"""Dead letters on both databases: found by what people know of them, explained, and tried again by choice."""

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
from tests.store.test_store_escalation import Machine

TO = ("ada@example.org", "bob@example.org")
CHANNELS = {"pager": ChannelSpec("pager"), "mail": ChannelSpec("mail", recipients=TO, edits=False)}
GONE = GiveUp(Reason.DESTINATION, "HTTP 404", refused='{"events": []}')
REFUSED = GiveUp(Reason.PAYLOAD, "550 no", refused="Subject: x")


@pytest.fixture
def machine(database_url: str) -> Iterator[Machine]:
    """Two incidents; of each, the page and both mails are dead letters."""
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


MAILS = [f"mail {who}" for who in TO]


def test_each_is_listed_with_what_was_refused_since_when_and_why(machine: Machine) -> None:
    letters = StoreDeadLetters(machine.engine).found(DeadLetterFilter())
    assert [(n, whom) for n in (1, 2) for whom in (*MAILS, "pager")] == numbers(machine, DeadLetterFilter())
    mail, page = letters[0], letters[2]
    assert (at(10), Reason.PAYLOAD, "550 no", "Subject: x") == (mail.since, mail.reason, mail.detail, mail.refused)
    assert (Reason.DESTINATION, '{"events": []}', 1) == (page.reason, page.refused, page.attempts)
    assert ("open", "critical", ADVICE[Reason.DESTINATION]) == (page.state, page.severity, page.advice)


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
def test_a_choice_is_found_counted_and_replayed_alike(machine: Machine, wanted: DeadLetterFilter, count: int) -> None:
    letters = StoreDeadLetters(machine.engine)
    assert (count, count) == (len(letters.found(wanted)), letters.count(wanted))
    assert 6 == letters.count(DeadLetterFilter())  # to count is not to replay
    assert count == letters.replay(wanted, at(100))
    assert 6 - count == letters.count(DeadLetterFilter())
    assert count == len(machine.store.claim(CAPACITIES, at(101)))


def test_what_is_replayed_shows_what_is_true_now(machine: Machine) -> None:
    machine.policy = Policy(Rules(), Route(notify=()), CHANNELS)  # so that nobody hears of the end by itself
    machine.people.resolve(1, "ada", at(100))
    StoreDeadLetters(machine.engine).replay(DeadLetterFilter(), at(101))
    claims = machine.store.claim(CAPACITIES[:1], at(102))
    # of what is over before anybody heard of it, nobody hears
    assert {2: True} == {claim.incident_number: claim.firing for claim in claims}


def test_what_is_no_dead_letter_shows_no_payload(machine: Machine) -> None:
    assert ["Subject: x", "Subject: x", '{"events": []}'] == [each.refused for each in machine.reader.deliveries(1)]
    StoreDeadLetters(machine.engine).replay(DeadLetterFilter(1), at(100))
    assert ["", "", ""] == [each.refused for each in machine.reader.deliveries(1)]


def test_every_reason_is_explained() -> None:
    assert set(Reason) == set(ADVICE)
