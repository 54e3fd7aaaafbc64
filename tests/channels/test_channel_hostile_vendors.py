"""Vendors that answer as no vendor should: every answer becomes a reason, in time, and holds nothing up afterwards."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.channels.email.connection import reason_of
from bridge.channels.http import MAX_ANSWER, MAX_RETRY_AFTER, retry_after_seconds
from bridge.core.errors import Reason, SendError
from bridge.core.model import Target
from dev.sandbox.running import RunningSandbox
from tests.channels.channel_builders import SECRETS, a_claim, a_message, a_pagerduty, a_slack, a_webhook, an_email
from tests.channels.hostile_vendor import answering, certificate, dripping, running_vendor
from tests.channels.sending import send

HTTP = ["pagerduty", "slack", "webhook"]
READING = ["pagerduty", "slack"]  #: they say in the body whether it was taken
JSON = "Content-Type: application/json"


def over_http(kind: str, url: str, seconds: float = 5) -> Any:
    builders: dict[str, Callable[[str, float], Any]]
    builders = {"pagerduty": a_pagerduty, "slack": a_slack, "webhook": a_webhook}
    return builders[kind](f"{url}/api/" if kind == "slack" else url, seconds)


def refused(channel: Any, **claimed: Any) -> SendError:
    """What the send failed with: always a SendError, and never with a secret in it."""
    with pytest.raises(SendError) as caught:
        send(channel, None, a_claim(**claimed))
    words = f"{caught.value} {caught.value.detail} {caught.value.args}"
    assert not [secret for secret in SECRETS if secret in words]
    return caught.value


UNREADABLE = {
    "empty": b"",
    "not JSON": b"<html>Sign in to the hotel's network</html>",
    "cut": b'{"status": "succ',
    "null": b"null",
    "a list": b"[]",
    "a text": b'"ok"',
    "a number": b"1e999",
    "no Unicode": b'{"status": "\xff\xfe"',
    "nested too deeply": b"[" * 200_000,
    "of other types": b'{"status": 5, "ok": "true", "channel": 5, "ts": {"a": 1}}',
    "of lists": b'{"status": ["success"], "ok": true, "channel": ["C1"], "ts": ["1.2"]}',
    "without anything": b"{}",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("kind", READING)
def test_an_answer_that_cannot_be_read_leaves_in_doubt_whether_it_was_taken(kind: str, body: bytes) -> None:
    with running_vendor(answering("200 OK", body, JSON)) as vendor:
        error = refused(over_http(kind, vendor.url()))
    assert (error.reason, error.ambiguous) == (Reason.SERVER, True)


#: A webhook's receiver has taken what it answered with 200; what that unpacks to is not read.
ENDLESS = [*((kind, "plain") for kind in HTTP), *((kind, "gzip") for kind in READING)]


@pytest.mark.parametrize(("kind", "encoding"), ENDLESS)
def test_an_answer_without_end_is_not_read_to_its_end(kind: str, encoding: str) -> None:
    body, headers = b" " * (MAX_ANSWER + 1), [JSON]
    if encoding == "gzip":
        body, headers = gzip.compress(b" " * (40 * MAX_ANSWER)), [JSON, "Content-Encoding: gzip"]
    with running_vendor(answering("200 OK", body, *headers)) as vendor:
        error = refused(over_http(kind, vendor.url()))
    assert (error.reason, error.ambiguous) == (Reason.SERVER, True)


@pytest.mark.parametrize("kind", HTTP)
def test_every_status_has_a_reason(kind: str) -> None:
    reasons: list[tuple[int, Reason]] = []
    status = itertools.count(300)

    def script(connection: socket.socket, over: threading.Event) -> None:
        code = next(status)
        answering(f"{code} Odd", b"" if code == 304 else b"{}", JSON)(connection, over)

    async def all_of_them(url: str) -> None:
        channel, message, claim = over_http(kind, url), a_message(), a_claim()
        for code in range(300, 600):
            with pytest.raises(SendError) as caught:
                await channel.send(channel.compose(message, claim), message, claim)
            reasons.append((code, caught.value.reason))
        await channel.close()

    with running_vendor(script) as vendor:
        asyncio.run(all_of_them(vendor.url()))
    assert Reason.BUG not in {reason for _, reason in reasons}
    assert {reason for code, reason in reasons if code < 400 or code >= 500 or code == 408} == {Reason.SERVER}
    assert {reason for code, reason in reasons if code in (401, 403)} == {Reason.CREDENTIAL}
    assert [reason for code, reason in reasons if code in (413, 429)][::-1] == [Reason.RATE_LIMITED, Reason.PAYLOAD]


SLOW: dict[str, bytes] = {
    "body": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
}


@pytest.mark.parametrize("part", SLOW)
@pytest.mark.parametrize("kind", HTTP)
def test_an_answer_that_trickles_in_is_given_up_and_holds_no_later_one_up(kind: str, part: str) -> None:
    """Three tries and two threads: a try that waited for the end of an answer would let no other begin."""
    drop = b" " if part == "body" else b"1\r\n \r\n"
    with running_vendor(dripping(SLOW[part], drop, 0.05)) as vendor:
        channel = over_http(kind, vendor.url(), 1)
        reasons = asyncio.run(_tries(channel, 3))
        assert vendor.connections == 3
    assert set(reasons) == {(Reason.NETWORK, True)}


async def _tries(channel: Any, count: int) -> list[tuple[Reason, bool]]:
    reasons, message, claim = [], a_message(), a_claim()
    for _ in range(count):
        with pytest.raises(SendError) as caught:
            await channel.send(channel.compose(message, claim), message, claim)
        reasons.append((caught.value.reason, caught.value.ambiguous))
    await channel.close()
    return reasons


@pytest.mark.parametrize("start", [b"220-", b"220 here\r\n250-"], ids=["greeting", "first reply"])
def test_a_mail_server_that_trickles_is_given_up_and_holds_no_later_mail_up(start: bytes) -> None:
    with running_vendor(dripping(start, b"x", 0.05), speaks_first=True) as vendor:
        reasons = asyncio.run(_tries(an_email(vendor.address, 0.4), 3))
        assert vendor.connections == 3
    assert {reason for reason, _ in reasons} == {Reason.NETWORK}


@pytest.mark.parametrize("kind", [*HTTP, "email"])
def test_a_name_that_does_not_resolve_is_certainly_not_notified(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    named = "http://vendor.example"
    error = refused(an_email("vendor.example:25") if kind == "email" else over_http(kind, named))
    assert (error.reason, error.ambiguous) == (Reason.NETWORK, False)


PAST = {"begins": "20200101000000Z", "ends": "20200102000000Z"}


@pytest.mark.parametrize("dates", [{}, PAST], ids=["self-signed", "expired"])
@pytest.mark.parametrize("kind", [*HTTP, "email"])
def test_a_certificate_that_is_not_believed_gets_nothing(kind: str, dates: dict[str, str], tmp_path: Path) -> None:
    accepted: list[bytes] = []

    def script(connection: socket.socket, over: threading.Event) -> None:
        accepted.append(b"something")

    file = certificate(tmp_path, **dates)
    with running_vendor(script, speaks_first=kind == "email", tls=file) as vendor:
        trusted: dict[str, Any] = {"ca_file": file} if dates else {}  # it is only its date that speaks against it
        mail = an_email(vendor.address, tls="implicit", **trusted)
        error = refused(mail if kind == "email" else over_http(kind, vendor.url("https")))
    assert (error.reason, error.ambiguous) == (Reason.NETWORK, False)
    assert accepted == []
    if kind == "email":
        assert ("expired" if dates else "self-signed") in error.detail


@pytest.mark.parametrize("kind", HTTP)
def test_tls_that_breaks_after_the_request_leaves_in_doubt_whether_it_was_taken(kind: str, believed: Path) -> None:
    def script(connection: socket.socket, over: threading.Event) -> None:
        socket.socket.sendall(connection, b"no record of TLS")  # below TLS
        over.wait()

    with running_vendor(script, tls=believed) as vendor:
        error = refused(over_http(kind, vendor.url("https")))
    assert (error.reason, error.ambiguous) == (Reason.NETWORK, True)


ABSURD = ["-1", "1e9", "1" * 400, "inf", "nan", "²", "٣", "Fri, 31 Dec 9999 23:59:59 -0001", "x" * 10_000, "0x10"]
texts = st.one_of(
    st.text(), st.sampled_from(ABSURD), st.floats().map(str), st.integers().map(str), st.datetimes().map(str)
)


@given(texts)
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
def test_any_retry_after_is_a_sane_wait_or_none(text: str) -> None:
    seconds = retry_after_seconds(text, datetime(2026, 11, 23, tzinfo=UTC))
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


@pytest.mark.parametrize("wait", ["-1", "1e9", "Fri, 31 Dec 2049 23:59:59 GMT", "soon"])
@pytest.mark.parametrize("kind", HTTP)
def test_an_absurd_retry_after_is_still_a_rate_limit(kind: str, wait: str) -> None:
    with running_vendor(answering("429 Slow down", b"{}", JSON, f"Retry-After: {wait}")) as vendor:
        error = refused(over_http(kind, vendor.url()))
    assert error.reason is Reason.RATE_LIMITED
    assert error.retry_after is None or error.retry_after <= MAX_RETRY_AFTER


FOUND: list[Any] = [
    {"messages": {"a": 1}},
    {"messages": [1, None, "x", [], {}]},
    {"messages": [{"metadata": [1]}, {"metadata": {"event_type": 5, "event_payload": "x"}}]},
    {"messages": [], "response_metadata": [1]},
    {"messages": [], "response_metadata": {"next_cursor": {"a": 1}}},
    {"messages": 5},
]


@pytest.mark.parametrize("found", FOUND, ids=[json.dumps(each)[:40] for each in FOUND])
def test_a_history_of_slack_that_makes_no_sense_is_read_as_far_as_it_does(found: dict[str, Any]) -> None:
    body = json.dumps({"ok": True, "channel": "C0123456789", "ts": "1.2", **found}).encode()
    with running_vendor(answering("200 OK", body, JSON)) as vendor:
        channel = a_slack(f"{vendor.url()}/api/", channel="C0123456789")
        receipt = send(channel, None, a_claim(unknown=True, attempted_at=datetime.now(UTC)))
    assert receipt.handle["ts"] == "1.2"


@pytest.mark.parametrize("step", ["connect", "login", "mail", "rcpt", "data"])
def test_every_code_of_a_mail_server_has_a_reason(step: str) -> None:
    reasons = {code: reason_of(code, step) for code in range(400, 600)}
    assert not {Reason.BUG, Reason.NETWORK, Reason.RATE_LIMITED} & set(reasons.values())
    passing = {code for code, reason in reasons.items() if reason is Reason.SERVER}
    assert set(range(400, 500)) - {454} <= passing


def test_a_mail_server_that_refuses_one_recipient_takes_the_others_mail(vendors: RunningSandbox) -> None:
    vendors.fault(target="smtp", kind="smtp_reply", code=550, recipient="gone@example.org")
    error = refused(an_email(vendors.smtp_address), target=Target("c", "gone@example.org"))
    assert error.reason is Reason.DESTINATION
    receipt = send(an_email(vendors.smtp_address), None, a_claim(target=Target("c", "here@example.org")))
    assert receipt.note == "accepted by the mail server: kept as mail 1"
    assert [mail["recipients"] for mail in vendors.state["mail"]] == [["here@example.org"]]
