"""What each channel does when an acknowledgement ends, and when it is notified in another's place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.errors import SendError
from bridge.core.model import State
from bridge.core.timeline import EntryKind
from dev.sandbox.running import RunningSandbox
from tests.channels.channel_builders import a_claim, a_message, a_pagerduty, a_slack, an_entry
from tests.channels.sending import send, send_all


def test_pagerduty_rings_again_when_an_acknowledgement_is_over(vendors: RunningSandbox) -> None:
    handle = send(a_pagerduty(vendors.http_url)).handle
    acknowledged = a_message(revision=2, state=State.ACKNOWLEDGED)
    for _ in range(2):
        handle = send_all(lambda: a_pagerduty(vendors.http_url), acknowledged, a_claim(handle=handle)).handle
    assert vendors.state["pagerduty"]["pages"] == 1
    first = send(a_pagerduty(vendors.http_url), a_message(revision=4), a_claim(handle=handle))
    assert (first.unfinished, vendors.state["pagerduty"]["pages"]) == (True, 1)
    second = send(a_pagerduty(vendors.http_url), a_message(revision=4), a_claim(handle=first.handle))
    handle = second.handle
    assert not second.unfinished
    shown = vendors.state["pagerduty"]
    assert (handle, shown["pages"]) == ({"state": "triggered"}, 2)
    assert [each["status"] for each in shown["incidents"]] == ["resolved", "triggered"]
    assert len({each["dedup_key"] for each in shown["incidents"]}) == 1
    send(a_pagerduty(vendors.http_url), a_message(revision=5), a_claim(handle=handle))
    assert vendors.state["pagerduty"]["pages"] == 2


def test_pagerduty_rings_once_more_even_if_every_answer_is_lost(vendors: RunningSandbox) -> None:
    """As when the worker is killed before it has kept what it was answered."""
    acknowledged = a_message(revision=2, state=State.ACKNOWLEDGED)
    handle = send_all(lambda: a_pagerduty(vendors.http_url), acknowledged).handle
    for _step in ("resolve", "trigger"):
        vendors.fault(target="pagerduty", kind="accept_then_reset", count=1)
        with pytest.raises(SendError):
            send(a_pagerduty(vendors.http_url), a_message(revision=3), a_claim(handle=handle))
        again = a_claim(handle=handle, unknown=True)
        handle = send(a_pagerduty(vendors.http_url), a_message(revision=3), again).handle
    assert (handle, vendors.state["pagerduty"]["pages"]) == ({"state": "triggered"}, 2)


def test_pagerduty_rings_again_though_it_is_unknown_whether_it_was_acknowledged(vendors: RunningSandbox) -> None:
    """The worker was killed before it had the answer; meanwhile the acknowledgement is over."""
    handle = send(a_pagerduty(vendors.http_url)).handle
    acknowledged = a_message(revision=2, state=State.ACKNOWLEDGED)
    kept = send(a_pagerduty(vendors.http_url), acknowledged, a_claim(handle=handle)).handle
    send(a_pagerduty(vendors.http_url), acknowledged, a_claim(handle=kept))
    assert vendors.state["pagerduty"]["incidents"][0]["status"] == "acknowledged"
    lost = a_claim(handle=kept, unknown=True)
    handle = send_all(lambda: a_pagerduty(vendors.http_url), a_message(revision=3), lost).handle
    assert (handle, vendors.state["pagerduty"]["pages"]) == ({"state": "triggered"}, 2)


def test_slack_rings_again_when_an_acknowledgement_is_over(vendors: RunningSandbox) -> None:
    handle = send(a_slack(vendors.slack_base_url)).handle
    acknowledged = a_message(revision=2, state=State.ACKNOWLEDGED, news=(an_entry(2, "still worse"),))
    handle = send(a_slack(vendors.slack_base_url), acknowledged, a_claim(sent=1, revision=2, handle=handle)).handle
    again = a_message(revision=3, news=(an_entry(3, "open again"),))
    send(a_slack(vendors.slack_base_url), again, a_claim(sent=2, revision=3, handle=handle))
    (message,) = vendors.state["slack"]["channels"]["alerts"]["messages"]
    assert [(each["mentions"], each["broadcast"]) for each in message["thread"]] == [([], False), (["<!here>"], True)]


def test_why_a_channel_is_notified_stands_in_its_first_message(vendors: RunningSandbox) -> None:
    why = "pagerduty-ml could not be reached for 5 min: notified others instead"
    fallback = a_message(revision=2, news=(replace(an_entry(2, why), kind=EntryKind.FALLBACK),))
    send(a_slack(vendors.slack_base_url), fallback)
    send(a_pagerduty(vendors.http_url), fallback)
    (message,) = vendors.state["slack"]["channels"]["alerts"]["messages"]
    assert why in message["text"]
    assert vendors.state["pagerduty"]["incidents"][0]["custom_details"]["told_because"] == [why]
