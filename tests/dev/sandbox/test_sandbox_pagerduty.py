"""PagerDuty's stand-in: what it refuses, and when the phone rings."""

from typing import Any

import pytest

from dev.sandbox.running import RunningSandbox, running_sandbox
from tests.dev.sandbox.calls import (
    ROUTING_KEY,
    an_event,
    enqueue,
    post_json,
    request,
    with_payload,
)

REFUSED: dict[str, tuple[Any, str]] = {
    "short routing key": (
        an_event(routing_key="abc"),
        "Length of 'routing_key' is incorrect (should be 32 characters)",
    ),
    "no routing key": (an_event(routing_key=None), "'routing_key' is missing or blank"),
    "unknown action": (an_event("silence"), "'event_action' must be one of trigger, acknowledge, resolve"),
    "resolve without a dedup_key": (
        {"routing_key": ROUTING_KEY, "event_action": "resolve"},
        "'dedup_key' is missing or blank",
    ),
    "long dedup_key": (an_event(dedup_key="k" * 256), "'dedup_key' is too long (maximum is 255 characters)"),
    "no payload": (an_event(payload=None), "'payload' is missing or blank"),
    "long summary": (with_payload(summary="s" * 1025), "'summary' is too long (maiximum is 1024 characters)"),
    "blank summary": (with_payload(summary=" "), "'payload.summary' is missing or blank"),
    "no source": (with_payload(source=None), "'payload.source' is missing or blank"),
    "details as text": (with_payload(custom_details="text"), "'custom_details' must be an object"),
    "wrong time": (with_payload(timestamp="yesterday"), "'payload.timestamp' must be an ISO 8601 time"),
    "plain image": (
        an_event(images=[{"src": "http://example.org/a.png"}]),
        "'images[0].src' must be an HTTPS address",
    ),
    "link without href": (an_event(links=[{"text": "t"}]), "'links[0].href' must be a web address"),
    "script link": (
        an_event(links=[{"href": "javascript:alert(1)"}]),
        "'links[0].href' must be a web address",
    ),
}


@pytest.mark.parametrize(("event", "error"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_event_is_refused_with_the_vendors_own_body(sandbox: RunningSandbox, event: Any, error: str) -> None:
    status, body = enqueue(sandbox, event)
    assert (status, body["errors"]) == (400, [error])
    assert body["status"] == "invalid event"
    assert sandbox.state["pagerduty"]["rejected"][0]["errors"] == [error]


def test_an_unknown_severity_is_refused(sandbox: RunningSandbox) -> None:
    status, body = enqueue(sandbox, with_payload(severity="page"))
    assert status == 400
    assert body["errors"][0].startswith("'payload.severity' is invalid")


def test_the_longest_allowed_values_are_accepted_in_characters_not_bytes(sandbox: RunningSandbox) -> None:
    assert enqueue(sandbox, with_payload(summary="é" * 1024) | {"dedup_key": "é" * 255})[0] == 202


def test_more_than_512_kb_is_refused(sandbox: RunningSandbox) -> None:
    assert enqueue(sandbox, with_payload(custom_details={"x": "y" * 512_000}))[0] == 413


def test_a_body_that_is_not_json_is_refused(sandbox: RunningSandbox) -> None:
    status, _, body = request(sandbox.http_url + "/v2/enqueue", "POST", b'{"x": NaN}')
    assert status == 400
    assert b"invalid event" in body


def test_a_trigger_without_a_dedup_key_is_given_one(sandbox: RunningSandbox) -> None:
    status, body = enqueue(sandbox, an_event(dedup_key=None))
    assert (
        status,
        body["status"],
        body["message"],
        len(body["dedup_key"]),
    ) == (202, "success", "Event processed", 32)


def test_a_repeated_trigger_does_not_page_again(sandbox: RunningSandbox) -> None:
    for _ in range(3):
        enqueue(sandbox, an_event())
    [incident] = sandbox.state["pagerduty"]["incidents"]
    assert (incident["pages"], incident["status"], len(incident["log"])) == (1, "triggered", 3)


def test_a_trigger_does_not_undo_an_acknowledgement(sandbox: RunningSandbox) -> None:
    for action in ("trigger", "acknowledge", "trigger"):
        enqueue(sandbox, an_event(action))
    [incident] = sandbox.state["pagerduty"]["incidents"]
    assert (incident["status"], sandbox.state["pagerduty"]["pages"]) == ("acknowledged", 1)


def test_a_trigger_after_the_resolve_pages_again(sandbox: RunningSandbox) -> None:
    for action in ("trigger", "resolve", "trigger"):
        enqueue(sandbox, an_event(action))
    state = sandbox.state["pagerduty"]
    assert ([each["status"] for each in state["incidents"]], state["pages"]) == (["resolved", "triggered"], 2)


def test_a_resolve_without_an_incident_is_accepted_and_dropped(sandbox: RunningSandbox) -> None:
    assert enqueue(sandbox, an_event("resolve"))[0] == 202
    state = sandbox.state["pagerduty"]
    assert (state["incidents"], state["events"][0]["effect"]) == ([], "dropped: no open incident")


def test_another_routing_key_does_not_resolve(sandbox: RunningSandbox) -> None:
    enqueue(sandbox, an_event())
    enqueue(sandbox, an_event("resolve", routing_key="f" * 32))
    assert sandbox.state["pagerduty"]["incidents"][0]["status"] == "triggered"


def test_a_change_event_never_pages(sandbox: RunningSandbox) -> None:
    change = {"routing_key": ROUTING_KEY, "payload": {"summary": "v13 deployed"}}
    status, _ = post_json(sandbox.http_url + "/v2/change/enqueue", change)
    state = sandbox.state["pagerduty"]
    assert (status, len(state["changes"]), state["pages"]) == (202, 1, 0)


def test_only_a_known_routing_key_is_let_in() -> None:
    with running_sandbox(routing_keys=("a" * 32,)) as sandbox:
        assert enqueue(sandbox, an_event(routing_key="a" * 32))[0] == 202
        assert (
            enqueue(sandbox, an_event())[0],
            enqueue(sandbox, an_event())[1]["errors"],
        ) == (400, ["Invalid routing key"])


def test_the_rate_limit_is_120_a_minute_and_key() -> None:
    with running_sandbox(rate_limits=True) as sandbox:
        statuses = [enqueue(sandbox, an_event())[0] for _ in range(121)]
        assert statuses == [202] * 120 + [429]
        assert enqueue(sandbox, an_event(routing_key="b" * 32))[0] == 202
