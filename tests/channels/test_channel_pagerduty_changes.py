"""PagerDuty's change events, as the sandbox takes and refuses them."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from bridge.channels.pagerduty.change_events import PagerDutyChanges, event_of
from bridge.core.errors import Reason, SendError
from bridge.core.facts import ChangeEvent
from dev.sandbox.running import RunningSandbox
from tests.channels.channel_builders import AT, KEY, pagerduty_settings

CHANGE = ChangeEvent(
    kind="deploy",
    service="bert-api",
    at=AT,
    summary="bert-api v2 was deployed",
    version="v2",
    previous="v1",
    by="ann",
    link="https://ci.example/7",
    labels={"namespace": "ml"},
    source="ci",
    id="c1",
)


def send(url: str, change: ChangeEvent = CHANGE, key: str = KEY, seconds: float = 5) -> None:
    settings = pagerduty_settings(url, seconds, routing_key=key)

    async def main() -> None:
        sender = PagerDutyChanges(settings)
        try:
            await sender.send(change)
        finally:
            await sender.close()

    asyncio.run(main())


def failure(url: str, **more: float) -> SendError:
    with pytest.raises(SendError) as caught:
        send(url, **more)  # type: ignore[arg-type]
    assert KEY not in str(caught.value)
    return caught.value


def test_a_change_arrives_with_all_that_is_known(vendors: RunningSandbox) -> None:
    send(vendors.http_url)
    (change,) = vendors.state["pagerduty"]["changes"]
    assert tuple(change["payload"][name] for name in ("summary", "source", "timestamp")) == (
        "bert-api v2 was deployed",
        "bert-api",
        AT.isoformat(),
    )
    details = change["payload"]["custom_details"]
    assert tuple(details[name] for name in ("version", "previous", "by", "id", "labels")) == (
        "v2",
        "v1",
        "ann",
        "c1",
        {"namespace": "ml"},
    )
    assert [link["href"] for link in change["links"]] == ["https://ci.example/7"]
    assert vendors.state["pagerduty"]["incidents"] == []


def test_whatever_a_change_holds_pagerduty_takes_it(vendors: RunningSandbox) -> None:
    labels = {f"{number}" * 200: "\u202e😀" * 500 for number in range(100)}
    hostile = replace(CHANGE, summary="\x00😀" * 2000, service="s\n" * 2000, link="javascript:x", labels=labels)
    bare = ChangeEvent("deploy", "", AT, "")
    for change in (hostile, bare):
        send(vendors.http_url, change)
    assert vendors.state["pagerduty"]["rejected"] == []
    assert len(vendors.state["pagerduty"]["changes"]) == 2
    assert len(json.dumps(event_of(hostile))) < 512_000


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "status", "status": 503}, Reason.SERVER),
        ({"kind": "status", "status": 429, "retry_after": 7}, Reason.RATE_LIMITED),
        ({"kind": "reset"}, Reason.NETWORK),
        ({"kind": "hang"}, Reason.NETWORK),
        ({"kind": "malformed"}, Reason.SERVER),
    ],
)
def test_a_failure_says_what_follows(vendors: RunningSandbox, fault: dict[str, object], reason: Reason) -> None:
    vendors.fault(target="pagerduty", path="change", **fault)
    error = failure(vendors.http_url, seconds=0.5)
    assert error.reason == reason
    assert error.retry_after == fault.get("retry_after")
    vendors.clear_faults()


def test_a_key_of_a_ruleset_is_a_wrong_credential(vendors: RunningSandbox) -> None:
    with pytest.raises(SendError) as caught:
        send(vendors.http_url, key="R" + KEY[1:])
    assert caught.value.reason is Reason.CREDENTIAL


def test_a_pagerduty_that_cannot_be_reached_is_the_networks_fault() -> None:
    assert failure("http://127.0.0.1:9").reason == Reason.NETWORK
