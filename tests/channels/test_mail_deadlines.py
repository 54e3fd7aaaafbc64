"""Mail servers that never come to an end, at each step: the conversation ends, its thread is free, memory flat."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.core.errors import Reason, SendError
from bridge.outbound.greenlets import run_blocking
from bridge.outbound.sockets import Allowance, in_time
from tests.channels.channel_builders import PASSWORD, a_claim, a_message, an_email
from tests.channels.hostile_vendor import certificate, running_vendor
from tests.channels.hostile_vendor import dripping as dripping_octets
from tests.channels.small_smtp import SmallSmtp, dripping, flooding, running_smtp, server_tls, silent

STEPS = {"CONNECT": b"220", "EHLO": b"250", "AUTH": b"334", "MAIL": b"250", "RCPT": b"250", "DATA": b"354", ".": b"250"}


def endless(code: bytes) -> dict[str, Any]:
    return {
        "silence": silent,
        "drip": dripping(code + b"-", b"x"),
        "drip of lines": dripping(code + b"-", b"\r\n" + code + b"-"),
        "flood of lines": flooding(b"", (code + b"-x\r\n") * 1000),
        "flood in a line": flooding(code + b"-", b"x" * 65536),
        "flood without a code": flooding(b"", b"\r\n" * 30000),
    }


WAYS = list(endless(b""))


async def send(channel: Any) -> None:
    message, claim = a_message(), a_claim()
    await channel.send(channel.compose(message, claim), message, claim)


async def refusal(channel: Any) -> SendError:
    with pytest.raises(SendError) as caught:
        await send(channel)
    assert caught.value.reason in (Reason.NETWORK, Reason.SERVER)
    return caught.value


async def recovers(channel: Any) -> None:
    while True:
        try:
            return await send(channel)
        except SendError:
            await asyncio.sleep(0)


def within_a_minute(work: Any) -> None:
    async def run() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(run())


def a_channel(server: SmallSmtp, seconds: float = 0.5, **more: Any) -> Any:
    login = {"username": "ada", "password": SecretStr(PASSWORD)}
    return an_email(server.address, seconds, **{**login, **more})


def a_server(**manner: Any) -> contextlib.AbstractContextManager[SmallSmtp]:
    return running_smtp(**{"offers": ("AUTH PLAIN",), "logins": {"ada": PASSWORD}, **manner})


@pytest.mark.parametrize("offers", [("AUTH PLAIN",), ("AUTH PLAIN", "PIPELINING")], ids=["", "pipelining"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", STEPS)
def test_a_mail_server_without_end_is_given_up_and_delays_no_other(
    step: str, way: str, offers: tuple[str, ...]
) -> None:
    """Twice as many mails as there are connections, then a server that is well."""
    answers = {step: endless(STEPS[step])[way]}

    async def work(server: SmallSmtp) -> None:
        channel = a_channel(server)
        for _ in range(2):
            for error in await asyncio.gather(refusal(channel), refusal(channel)):
                assert (step == ".") is error.ambiguous
        answers.clear()
        await recovers(channel)
        await channel.close()
        assert server.mails

    with a_server(answers=answers, offers=offers) as server:
        within_a_minute(work(server))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", ["RSET", "QUIT"])
def test_a_kept_connection_that_went_bad_costs_no_mail(step: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RSET asks whether it still lives, QUIT ends what has carried enough: neither is worth a deadline."""
    monkeypatch.setattr("bridge.channels.email.connection.CHECK_SECONDS", 0.3)
    monkeypatch.setattr("bridge.channels.email.connection.FRESH_SECONDS", 0)
    monkeypatch.setattr("bridge.channels.email.connection.MAX_MAILS", 1 if step == "QUIT" else 50)

    async def work(server: SmallSmtp) -> None:
        channel = a_channel(server, 30, concurrency=1)
        await send(channel)
        server.answers[step] = endless(b"250")[way]
        if way.startswith("flood"):  # takes what the whole conversation may read
            await recovers(channel)
        else:
            await send(channel)
        await channel.close()
        assert len(server.mails) == 2

    with a_server() as server:
        within_a_minute(work(server))


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_tls_handshake_without_end_is_given_up(tls: str) -> None:
    greeting = b"220 here\r\n250-here\r\n250 STARTTLS\r\n220 go on\r\n" if tls == "starttls" else b""
    record = dripping_octets(greeting + b"\x16\x03\x03\x40\x00", b"\x02", 0.02)

    async def work(address: str) -> None:
        channel = an_email(address, 0.5, tls=tls, concurrency=2)
        for _ in range(4):
            error = await refusal(channel)
            assert not error.ambiguous
        await channel.close()

    with running_vendor(record, speaks_first=True) as vendor:
        within_a_minute(work(vendor.address))


def test_the_deadline_holds_inside_tls_too(tmp_path: Path) -> None:
    file = certificate(tmp_path)
    answers: dict[str, Any] = {}

    async def work(server: SmallSmtp) -> None:
        channel = a_channel(server, 2, tls="starttls", ca_file=file)
        for step in ("MAIL", "RCPT", "."):
            for way in ("drip", "flood of lines", "silence"):
                answers.clear()
                answers[step] = endless(STEPS[step])[way]
                assert (step == ".") is (await refusal(channel)).ambiguous
        answers.clear()
        await recovers(channel)
        await channel.close()

    offers = ("STARTTLS", "AUTH PLAIN")
    with a_server(offers=offers, tls=server_tls(file), answers=answers) as server:
        within_a_minute(work(server))


def test_a_server_that_takes_no_bytes_of_the_mail_is_given_up() -> None:
    def deaf(talk: Any) -> None:
        talk.say(b"354 go on")
        talk.server.over.wait()

    async def work(server: SmallSmtp) -> None:
        channel, message, claim = a_channel(server, 1), a_message(), a_claim(frozen=b"x" * 20_000_000)
        with pytest.raises(SendError) as caught:
            await channel.send(channel.compose(message, claim), message, claim)
        assert (caught.value.reason, caught.value.ambiguous) == (Reason.NETWORK, True)
        await channel.close()

    with a_server(answers={"DATA": deaf}) as server:
        within_a_minute(work(server))


def test_a_hundred_mails_into_nowhere_leave_no_thread_behind() -> None:
    def threads() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("channel-")}

    async def work(server: SmallSmtp) -> None:
        before, channel = threads(), a_channel(server, 0.1, concurrency=4)
        for _ in range(25):
            await asyncio.gather(*(refusal(channel) for _ in range(4)))
        assert len(threads() - before) <= 4
        await channel.close()

    with a_server(answers={"EHLO": dripping(b"250-", b"x")}) as server:
        within_a_minute(work(server))


def test_a_name_server_that_hangs_delays_only_its_own_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps a thread of the channel's own; what was not sent has certainly not arrived."""
    over, asking, find = threading.Event(), threading.Event(), socket.getaddrinfo

    def lookup(host: Any, *arguments: Any, **more: Any) -> Any:
        if host == "hangs.example":
            asking.set()
            over.wait()
        return find(host, *arguments, **more)

    async def work(server: SmallSmtp) -> None:
        hanging, other = an_email("hangs.example:25", 1), a_channel(server, 30)
        waiting = asyncio.create_task(refusal(hanging))
        while not asking.is_set():
            await asyncio.sleep(0)
        await send(other)
        error = await waiting
        assert (error.reason, error.ambiguous) == (Reason.NETWORK, False)
        over.set()
        await hanging.close()
        await other.close()
        assert len(server.mails) == 1

    monkeypatch.setattr("socket.getaddrinfo", lookup)
    with a_server() as server:
        within_a_minute(work(server))


def test_nothing_is_begun_once_there_is_no_time_left() -> None:
    allowance, begun = Allowance(), list[str]()
    allowance.grant(time.monotonic() - 1, 1)

    async def connect() -> None:
        begun.append("connect")

    def work() -> None:
        with pytest.raises(TimeoutError):
            in_time(connect, allowance)

    asyncio.run(run_blocking(work))
    assert begun == []


def test_closing_does_not_wait_for_a_server() -> None:
    """A reload closes the channel, perhaps in the middle of a conversation."""

    async def work(server: SmallSmtp) -> None:
        channel = a_channel(server, 50)
        sending = asyncio.create_task(refusal(channel))
        while not any(command.upper().startswith(b"MAIL") for command in server.commands):
            await asyncio.sleep(0.01)
        await channel.close()
        assert (await sending).reason is Reason.NETWORK

    with a_server(answers={"MAIL": silent}) as server:
        within_a_minute(work(server))


MEASURE = """
import asyncio, json, sys
sys.path.insert(0, sys.argv[1])
from tests.channels.test_mail_deadlines import a_channel, refusal
from tests.channels.small_smtp import SmallSmtp

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))

async def main(ports):
    before, took = peak(), {}
    for way, port in ports.items():
        channel = a_channel(SmallSmtp(port), 2)
        await asyncio.gather(refusal(channel), refusal(channel))
        await channel.close()
        took[way] = peak() - before
    print(json.dumps(took))

asyncio.run(main(json.loads(sys.argv[2])))
"""


def test_no_flood_of_a_mail_server_fills_the_memory() -> None:
    with contextlib.ExitStack() as servers:
        ports = {
            f"{step}, {way}": servers.enter_context(a_server(answers={step: answer})).port
            for step, code in STEPS.items()
            for way, answer in endless(code).items()
            if "flood" in way
        }
        command = [sys.executable, "-c", MEASURE, str(Path(__file__).parents[2]), json.dumps(ports)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    assert not {way: size for way, size in json.loads(done.stdout).items() if size > 16}, "megabytes"
