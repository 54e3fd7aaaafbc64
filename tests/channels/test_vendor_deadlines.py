"""Vendors that never come to an end: every call has one deadline, and after it holds no thread, task or connection.

Each way to go on for ever is tried on each caller; then the vendor recovers, and the next call goes out at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from bridge.core.errors import Reason, SendError
from tests.channels.channel_builders import AT, a_claim, a_message, a_slack
from tests.channels.hostile_vendor import HostileVendor, Script, answering, dripping, running_vendor
from tests.channels.vendor_callers import (
    AFTER_THE_HEAD,
    CALLERS,
    DRIPS,
    FLOODS,
    JSON,
    SENDERS,
    Caller,
    Moody,
    healthy,
    silent,
)

T = TypeVar("T")
ENDLESS = {**{f"drip: {way}": script for way, script in DRIPS.items()}, **{f"flood: {w}": s for w, s in FLOODS.items()}}


def run_with(script: Script, work: Callable[[HostileVendor], Awaitable[T]], *, speaks_first: bool = False) -> T:
    """Generous: what does not end by its own deadline ends by this one."""

    async def bounded(vendor: HostileVendor) -> T:
        async with asyncio.timeout(60):
            return await work(vendor)

    with running_vendor(script, speaks_first=speaks_first) as vendor:
        return asyncio.run(bounded(vendor))


def channel_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("channel-")}


def connections_to(port: int) -> int:
    """Of this process, as a client."""
    count = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(number))) as copy:
            count += copy.family == socket.AF_INET and copy.getpeername()[1] == port
    return count


@pytest.mark.parametrize("way", ENDLESS)
@pytest.mark.parametrize("kind", CALLERS)
def test_what_never_ends_is_given_up_and_delays_no_other(kind: str, way: str) -> None:
    """Twice as many calls as there are threads; then one that is answered, while the others still receive."""
    if kind == "ping" and way.partition(": ")[2] in AFTER_THE_HEAD:
        pytest.skip("a ping reads no further than the head")
    moody = Moody(ENDLESS[way])

    async def work(vendor: HostileVendor) -> None:
        caller = Caller(kind, vendor.url(), 0.5, concurrency=2)
        for _ in range(2):
            first, _ = await asyncio.gather(caller.fails(), caller.fails())
            assert first[1], "what was sent may have arrived"
        moody.script = healthy(kind)
        await caller.recovers()
        await caller.close()

    run_with(moody, work)


@pytest.mark.parametrize("way", ["drip: silence", "drip: 100 Continue", "drip: headers", "flood: a chunk's extension"])
def test_a_hundred_pages_into_nowhere_leave_nothing_behind(way: str) -> None:
    moody = Moody(ENDLESS[way])

    async def work(vendor: HostileVendor) -> None:
        before = channel_threads()
        pager = Caller("pagerduty", vendor.url(), 0.5)
        for _ in range(13):
            await asyncio.gather(*(pager.fails() for _ in range(8)))
        while connections_to(vendor.port) or len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)
        assert channel_threads() == before
        moody.script = healthy("pagerduty")
        await asyncio.gather(*(pager.recovers() for _ in range(16)))
        await pager.close()

    run_with(moody, work)


@pytest.mark.parametrize("way", ["silence", "a byte at a time"])
@pytest.mark.parametrize("kind", [*CALLERS, "upload"])
def test_a_tls_handshake_without_end_is_given_up(kind: str, way: str) -> None:
    async def work(vendor: HostileVendor) -> None:
        caller = Caller(kind, vendor.url("https"), 0.4, concurrency=2)
        for _ in range(4):
            _, doubtful = await caller.fails()
            assert not (doubtful and kind in SENDERS), "nothing can have arrived"
        await caller.close()

    record = dripping(b"\x16\x03\x03\x40\x00", b"\x02", 0.02)
    run_with(silent if way == "silence" else record, work, speaks_first=True)


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
@pytest.mark.parametrize("kind", ["pagerduty", "slack", "webhook"])
def test_a_vendor_that_takes_no_bytes_is_given_up(kind: str) -> None:
    """It accepts, and reads a byte now and then of more than what the kernel holds for it."""

    def sipping(connection: socket.socket, over: threading.Event) -> None:
        while not over.wait(0.05):
            connection.recv(1)

    async def work(vendor: HostileVendor) -> None:
        channel, message, claim = Caller(kind, vendor.url(), 3, concurrency=2).channel, a_message(), a_claim()
        composed = channel.compose(message, claim)
        place = composed.content["events"][0] if kind == "pagerduty" else composed.content
        place["post_text"] = "x" * 8_000_000
        for _ in range(3):
            with pytest.raises(SendError) as caught:
                await channel.send(composed, message, claim)
            assert (caught.value.reason, caught.value.ambiguous) == (Reason.NETWORK, True)
        await channel.close()

    run_with(sipping, work, speaks_first=True)


def test_a_picture_that_the_vendor_does_not_take_is_given_up() -> None:
    moody = Moody(ENDLESS["drip: 100 Continue"])

    async def work(vendor: HostileVendor) -> None:
        caller = Caller("upload", vendor.url(), 0.5)
        await caller.fails()
        moody.script = healthy("slack")
        assert (await caller.fails())[0] == "InvalidUrlClientError", "there is no address in that answer"
        place = {"ok": True, "upload_url": vendor.url(), "file_id": "F1"}
        answers = iter([answering("200 OK", json.dumps(place).encode(), JSON), ENDLESS["flood: 100 Continue"]])
        moody.script = lambda connection, over: next(answers)(connection, over)
        assert (await caller.fails())[0] == "an answer without end"
        await caller.close()

    run_with(moody, work)


def test_a_send_of_many_calls_ends_before_its_lease_does() -> None:
    """Slack is asked for what was posted before, page after page: each comes in time, and there is always more."""
    page = {"ok": True, "messages": [], "response_metadata": {"next_cursor": "more"}}

    def slow(connection: socket.socket, over: threading.Event) -> None:
        if not over.wait(0.5):
            answering("200 OK", json.dumps(page).encode(), JSON)(connection, over)

    async def work(vendor: HostileVendor) -> SendError:
        channel = a_slack(f"{vendor.url()}/api/", 0.8, channel="C0123456789")
        message, claim = a_message(), a_claim(unknown=True, attempted_at=AT, handle={"channel": "C1"})
        with pytest.raises(SendError) as caught:
            await channel.send(channel.compose(message, claim), message, claim)
        await channel.close()
        return caught.value

    error = run_with(slow, work)
    assert (error.reason, error.ambiguous) == (Reason.NETWORK, True)
