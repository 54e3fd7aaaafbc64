"""Faults of the HTTP vendors: each kind as a caller feels it, and requests for faults that make no sense."""

import json
import socket
import time
from typing import Any

import pytest

from dev.sandbox.faults import FaultRequestError, read_fault
from dev.sandbox.running import RunningSandbox
from tests.dev.sandbox.calls import (
    TOKEN,
    an_event,
    enqueue,
    post_json,
    posted,
    request,
    slack,
)


def _post_slack(sandbox: RunningSandbox, timeout: float = 5) -> tuple[int, dict[str, str], bytes]:
    url, body = (sandbox.slack_base_url + "chat.postMessage", b'{"channel": "#c", "text": "t"}')
    token = f"Bearer {TOKEN}"
    return request(url, "POST", body, timeout, Content_Type="application/json", Authorization=token)


def _messages(sandbox: RunningSandbox) -> int:
    return int(sandbox.summary["slack"]["messages"])


def test_a_status_comes_as_often_as_counted(sandbox: RunningSandbox) -> None:
    sandbox.fault(target="pagerduty", kind="status", status=502, count=2)
    statuses = [request(sandbox.http_url + "/v2/enqueue", "POST", json.dumps(an_event()).encode())[0] for _ in "123"]
    assert (statuses, len(sandbox.state["pagerduty"]["events"])) == ([502, 502, 202], 1)


def test_429_has_the_vendors_body_and_retry_after(sandbox: RunningSandbox) -> None:
    sandbox.fault(target="slack", kind="status", status=429, retry_after=2)
    status, headers, body = _post_slack(sandbox)
    assert (status, headers["retry-after"], json.loads(body)["error"]) == (429, "2", "ratelimited")
    sandbox.fault(target="pagerduty", kind="status", status=429)
    assert (
        enqueue(sandbox, an_event())[0],
        enqueue(sandbox, an_event())[1]["status"],
    ) == (429, "throttle exceeded")


def test_ok_false_is_a_200_with_the_error(sandbox: RunningSandbox) -> None:
    sandbox.fault(target="slack", kind="ok_false", error="fatal_error", processed=True)
    status, _, body = _post_slack(sandbox)
    assert (status, json.loads(body), _messages(sandbox)) == (200, {"ok": False, "error": "fatal_error"}, 1)


@pytest.mark.parametrize(("kind", "kept"), [("reset", 0), ("outage", 0), ("accept_then_reset", 1)])
def test_a_connection_is_reset_before_or_after_the_work(sandbox: RunningSandbox, kind: str, kept: int) -> None:
    sandbox.fault(target="slack", kind=kind)
    with pytest.raises(ConnectionResetError):
        _post_slack(sandbox)
    assert kept == _messages(sandbox)
    assert enqueue(sandbox, an_event())[0] == 202
    sandbox.clear_faults()
    assert _post_slack(sandbox)[0] == 200


def test_a_hanging_vendor_answers_no_caller_until_cleared(sandbox: RunningSandbox) -> None:
    sandbox.fault(target="slack", kind="hang")
    with pytest.raises(TimeoutError):
        _post_slack(sandbox, timeout=0.3)
    assert _messages(sandbox) == 0


def test_continue_and_endless_never_come_to_an_answer(sandbox: RunningSandbox) -> None:
    address = sandbox.http_url.removeprefix("http://").partition(":")
    asked = b"POST /api/chat.postMessage HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    for kind, words, octets in (("continue", b"HTTP/1.1 100 Continue\r\n\r\n" * 3, 0), ("endless", b"  ", 2**20)):
        sandbox.fault(target="slack", kind=kind, count=1)
        with socket.create_connection((address[0], int(address[2])), timeout=30) as caller:
            caller.sendall(asked)
            received = b""
            while words not in received or len(received) < octets:
                received += caller.recv(65_536)
    assert _messages(sandbox) == 0


def test_latency_delays_and_drip_trickles_the_answer(sandbox: RunningSandbox) -> None:
    for kind in ("latency", "drip"):
        sandbox.fault(target="slack", kind=kind, seconds=0.3, count=1)
        begin = time.monotonic()
        assert json.loads(_post_slack(sandbox)[2])["ok"]
        assert time.monotonic() - begin >= 0.29


def test_a_malformed_answer_is_not_json(sandbox: RunningSandbox) -> None:
    sandbox.fault(target="slack", kind="malformed")
    with pytest.raises(json.JSONDecodeError):
        json.loads(_post_slack(sandbox)[2])


def test_a_fault_can_concern_one_method_alone(sandbox: RunningSandbox) -> None:
    sandbox.fault(target="slack", kind="ok_false", error="update_failed", path="chat.update")
    first = posted(sandbox)
    body = slack(sandbox, "chat.update", channel=first["channel"], ts=first["ts"], text="x")
    assert body["error"] == "update_failed"


def test_a_fault_can_concern_what_contains_a_text_alone(sandbox: RunningSandbox) -> None:
    sandbox.fault(target="pagerduty", kind="status", status=429, about="Poisoned")
    event = an_event()
    event["payload"]["summary"] = "Poisoned: it fails for ever"
    assert [enqueue(sandbox, each)[0] for each in (event, an_event(), event)] == [429, 202, 429]
    sandbox.fault(target="slack", kind="ok_false", error="fatal_error", about="Poisoned")
    accepted = [slack(sandbox, "chat.postMessage", channel="#c", text=text)["ok"] for text in ("Poisoned", "Healthy")]
    assert accepted == [False, True]


def test_faults_are_listed_and_cleared_over_http(sandbox: RunningSandbox) -> None:
    url = sandbox.http_url + "/faults"
    assert post_json(url, {"target": "slack", "kind": "outage"})[0] == 201
    assert post_json(url, {"target": "smtp", "kind": "hang", "count": None})[0] == 201
    assert [each["target"] for each in json.loads(request(url)[2])] == ["slack", "smtp"]
    assert [each["target"] for each in json.loads(request(url + "?target=slack", "DELETE")[2])] == ["smtp"]
    assert json.loads(request(url, "DELETE")[2]) == []


def test_a_fault_that_is_not_json_is_refused(sandbox: RunningSandbox) -> None:
    url = sandbox.http_url + "/faults"
    assert request(url, "POST", b"{}", Content_Type="text/plain")[0] == 415
    assert request(url, "POST", b"{", Content_Type="application/json")[0] == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "a fault is a JSON object"),
        ({"kind": "reset"}, "target is None; it must be one of slack, pagerduty, webhook, smtp"),
        ({"target": "smtp", "kind": "drip"}, "kind is 'drip'"),
        ({"target": "pagerduty", "kind": "ok_false"}, "for slack only"),
        ({"target": "slack", "kind": "reset", "often": 2}, "unknown field often"),
        ({"target": "slack", "kind": "reset", "count": 0}, "count is 0; it must be a whole number from 1"),
        ({"target": "slack", "kind": "status", "status": "503"}, "status is '503'"),
        ({"target": "smtp", "kind": "smtp_reply", "at": "quit"}, "at is 'quit'"),
        ({"target": "smtp", "kind": "smtp_reply", "text": "a\r\n250 ok"}, "one line"),
        ({"target": "smtp", "kind": "reset", "about": "x", "at": "rcpt"}, "about only makes sense at data"),
    ],
)
def test_a_fault_that_makes_no_sense_is_explained(body: Any, said: str) -> None:
    with pytest.raises(FaultRequestError) as caught:
        read_fault(1, body)
    assert said in str(caught.value)
