"""What is not bad goes into the thread of a Slack message, once, and never costs the message anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.core.errors import SendError
from bridge.core.facts import Context, Verdict
from bridge.core.model import State
from bridge.core.ports import Message
from dev.sandbox.running import RunningSandbox
from tests.channels.channel_builders import AT, a_claim, a_message, a_slack, an_entry
from tests.channels.message_reading import a_fact, slack_texts
from tests.channels.sending import send

FACTS = (
    a_fact(name="requests", title="Requests", verdict=Verdict.GOOD),
    a_fact(name="failing", title="Failing", verdict=Verdict.BAD, why="above 5 %"),
    a_fact(name="latency", title="Memory"),
)


def measured(**changes: Any) -> Message:
    return a_message(context=Context(AT, FACTS), **changes)


def threads(vendors: RunningSandbox) -> list[list[str]]:
    """Of each message in the channel: the texts of its replies."""
    (channel,) = vendors.state["slack"]["channels"].values()
    messages = channel["messages"]
    return [[reply["text"] for reply in message["thread"]] for message in messages]


def test_what_is_bad_is_in_the_message_and_the_rest_in_its_thread(vendors: RunningSandbox) -> None:
    send(a_slack(vendors.slack_base_url), measured())
    message = "\n".join(slack_texts(measured()))
    assert "🔴 Failing *7.3 %* above 5 %" in message
    assert not [title for title in ("Requests", "Memory") if title in message]
    ((reply,),) = threads(vendors)
    assert "• Requests: 7.3 % (good)\n• Memory: 7.3 %" in reply
    assert "Failing" not in reply


def test_it_is_posted_once_over_an_incidents_life(vendors: RunningSandbox) -> None:
    handle = send(a_slack(vendors.slack_base_url), measured()).handle
    worse = measured(revision=2, news=(an_entry(2, "worse"),))
    handle = send(a_slack(vendors.slack_base_url), worse, a_claim(sent=1, news=worse.news, handle=handle)).handle
    over = measured(revision=3, firing=False, state=State.RESOLVED)
    send(a_slack(vendors.slack_base_url), over, a_claim(sent=2, firing=False, handle=handle))
    ((first, *others),) = threads(vendors)
    assert first.startswith("Also measured")
    assert others == ["• worse"]


def test_it_comes_with_the_first_message_that_has_it(vendors: RunningSandbox) -> None:
    handle = send(a_slack(vendors.slack_base_url)).handle
    assert threads(vendors) == [[]]
    send(a_slack(vendors.slack_base_url), measured(revision=2), a_claim(sent=1, handle=handle))
    assert [len(replies) for replies in threads(vendors)] == [1]


def test_after_the_end_it_is_no_news(vendors: RunningSandbox) -> None:
    handle = send(a_slack(vendors.slack_base_url)).handle
    over = measured(revision=2, firing=False, state=State.RESOLVED)
    send(a_slack(vendors.slack_base_url), over, a_claim(sent=1, firing=False, handle=handle))
    assert threads(vendors) == [[]]


@pytest.mark.parametrize("kind", ["accept_then_reset", "reset"])
@pytest.mark.parametrize("first", [0, 1], ids=["the message", "the reply"])
def test_a_lost_answer_leaves_one_message_with_one_reply(vendors: RunningSandbox, kind: str, first: int) -> None:
    """As when the worker is killed before it has kept what it sent."""
    if first:
        vendors.fault(target="slack", kind="latency", seconds=0, path="chat.postMessage", count=first)
    vendors.fault(target="slack", kind=kind, path="chat.postMessage", count=1)
    place = "C0123456789"  # a channel's name cannot be read from
    with pytest.raises(SendError) as caught:
        send(a_slack(vendors.slack_base_url, channel=place), measured())
    handles = [{}, dict(caught.value.progress or {})]  # killed before it was kept, or not
    claim = a_claim(handle=handles[first], unknown=True, attempted_at=AT - timedelta(days=9999))
    handle = send(a_slack(vendors.slack_base_url, channel=place), measured(), claim).handle
    send(a_slack(vendors.slack_base_url, channel=place), measured(revision=2), a_claim(sent=1, handle=handle))
    assert [len(replies) for replies in threads(vendors)] == [1]


def test_a_reply_that_slack_refuses_costs_nothing(vendors: RunningSandbox) -> None:
    vendors.fault(target="slack", kind="latency", seconds=0, path="chat.postMessage", count=1)
    vendors.fault(target="slack", kind="ok_false", error="msg_too_long", path="chat.postMessage", count=1)
    handle = send(a_slack(vendors.slack_base_url), measured()).handle
    send(a_slack(vendors.slack_base_url), measured(revision=2), a_claim(sent=1, handle=handle))
    assert threads(vendors) == [[]]


def test_the_smallest_message_has_none(vendors: RunningSandbox) -> None:
    send(a_slack(vendors.slack_base_url), measured(), a_claim(shrink=True))
    assert threads(vendors) == [[]]


def test_however_much_was_measured_slack_takes_it(vendors: RunningSandbox) -> None:
    facts = tuple(a_fact(name=str(n), title=f"<!here> & {n} " + "é" * 50, why="x" * 60) for n in range(30))
    send(a_slack(vendors.slack_base_url), replace(measured(), context=Context(AT, facts)))
    ((reply,),) = threads(vendors)
    assert "&lt;!here&gt; &amp; 0" in reply
    assert len(reply) <= 3500
