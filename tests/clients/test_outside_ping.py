"""The URL outside: what is called, and that a failure says why without saying where."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bridge.clients.outside_ping import PingUrl, failure_url
from tests.clients.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def test_well_is_a_get_and_unwell_a_post_with_the_reason(receiver: Receiver) -> None:
    outside = PingUrl(lambda: receiver.url, 10)

    async def both() -> tuple[str, str]:
        return await outside.report_success(), await outside.report_failure("messages are late: pager by 400 s")

    assert asyncio.run(both()) == ("", "")
    assert receiver.heard == [
        ("GET", "/ping/s3cret-key", ""),
        ("POST", "/ping/s3cret-key/fail", "messages are late: pager by 400 s"),
    ]


@pytest.mark.parametrize("status", [302, 404, 503])
def test_only_a_2xx_answer_was_heard_and_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    receiver.status = status
    assert f"HTTP {status}" == asyncio.run(PingUrl(lambda: receiver.url, 10).report_success())
    assert len(receiver.heard) == 1


def test_who_does_not_answer_in_time_was_not_heard(receiver: Receiver) -> None:
    receiver.delay = 2
    assert asyncio.run(PingUrl(lambda: receiver.url, 0.05).report_success()) == "no answer within 0.05 s"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/s3cret-key", "http://[s3cret-key", "ftp://s3cret-key"])
def test_no_fault_says_the_url(url: str) -> None:
    told = asyncio.run(PingUrl(lambda: url, 10).report_success())
    assert told and "s3cret" not in told


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hc-ping.com/uuid", "https://hc-ping.com/uuid/fail"),
        ("https://hc-ping.com/uuid/", "https://hc-ping.com/uuid/fail"),
        ("https://x.example/key/slug?create=1", "https://x.example/key/slug/fail?create=1"),
    ],
)
def test_fail_is_the_last_part_of_the_path(url: str, expected: str) -> None:
    assert expected == failure_url(url)
