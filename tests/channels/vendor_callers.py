"""Everything that calls a vendor over HTTP, behind one face; and vendors that never come to an end."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.channels.pagerduty.change_events import PagerDutyChanges
from bridge.channels.pagerduty.channel import PagerDutyChannel
from bridge.clients.alertmanager import AlertmanagerApi
from bridge.clients.alertmanager import Server as Alertmanager
from bridge.clients.outside_ping import PingUrl
from bridge.clients.prometheus import Prometheus
from bridge.clients.prometheus import Server as PrometheusServer
from bridge.core.context.enrichment import Failure, Query
from bridge.core.errors import Reason, SendError
from bridge.core.facts import ChangeEvent
from bridge.core.ports import Illustration
from bridge.core.reconciliation import StateQuery, Unavailable
from tests.channels.channel_builders import AT, SECRETS, a_claim, a_message, a_slack, a_webhook, pagerduty_settings
from tests.channels.hostile_vendor import Script, answering, dripping

JSON = "Content-Type: application/json"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

SENDERS = ("pagerduty", "changes", "slack", "upload", "webhook")
CALLERS = ("pagerduty", "changes", "slack", "webhook", "prometheus", "alertmanager", "ping")


def flooding(start: bytes, flood: bytes) -> Script:
    """The start, and then the flood again and again, as fast as it is taken."""

    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.is_set():
            connection.sendall(flood)

    return script


def silent(connection: socket.socket, over: threading.Event) -> None:
    over.wait()


FLOODS: dict[str, Script] = {
    "100 Continue": flooding(b"", CONTINUE * 500),
    "103 Early Hints": flooding(b"", HINTS * 500),
    "headers": flooding(HEAD, b"X: y\r\n" * 1000),
    "a header": flooding(HEAD + b"X: ", b"y" * 65536),
    "a status line": flooding(b"HTTP/1.1 200 ", b"O" * 65536),
    "a body": flooding(HEAD + b"\r\n", b" " * 65536),
    "a chunk's extension": flooding(CHUNKED + b"1;", b"x" * 65536),
    "trailers": flooding(CHUNKED + b"1\r\n \r\n0\r\n", b"X: y\r\n" * 1000),
}
DRIPS: dict[str, Script] = {
    "silence": silent,
    "100 Continue": dripping(CONTINUE, CONTINUE, 0.02),
    "a status line": dripping(b"HTTP/1.1 2", b"0", 0.02),
    "headers": dripping(HEAD, b"X: y\r\n", 0.02),
    "a header": dripping(HEAD + b"X: ", b"y", 0.02),
    "a body": dripping(HEAD + b"Content-Length: 100000\r\n\r\n", b" ", 0.02),
    "chunks": dripping(CHUNKED, b"1\r\n \r\n", 0.02),
}
#: They begin after the head, and a ping reads no further.
AFTER_THE_HEAD = ("a body", "chunks", "a chunk's extension", "trailers")


class Moody:
    """A vendor whose manner can be changed while it runs."""

    def __init__(self, script: Script) -> None:
        self.script = script

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        self.script(connection, over)


def healthy(kind: str) -> Script:
    """What the vendor of this kind of caller answers when all is well."""
    vector = {"resultType": "vector", "result": []}
    every = {"status": "success", "data": vector, "ok": True, "channel": "C0123456789", "ts": "1.2"}
    status = {"uptime": "2026-11-23T10:00:00Z", "cluster": {"status": "disabled"}}
    answers = itertools.cycle([[], status] if kind == "alertmanager" else [every])

    def script(connection: socket.socket, over: threading.Event) -> None:
        answering("200 OK", json.dumps(next(answers)).encode(), JSON)(connection, over)

    return script


class Caller:
    """One adapter at one address. Make and use it inside the running loop."""

    def __init__(self, kind: str, url: str, seconds: float, concurrency: int = 8) -> None:
        self.kind, self.seconds = kind, seconds
        pager = pagerduty_settings(url, seconds, concurrency=concurrency)
        server = Alertmanager(url, timeout_seconds=seconds)
        builders: dict[str, Callable[[], Any]] = {
            "pagerduty": lambda: PagerDutyChannel("c", pager),
            "changes": lambda: PagerDutyChanges(pager),
            "slack": lambda: a_slack(f"{url}/api/", seconds, channel="C0123456789"),
            "upload": lambda: a_slack(f"{url}/api/", seconds, channel="C0123456789"),
            "webhook": lambda: a_webhook(url, seconds, concurrency=concurrency),
            "prometheus": lambda: Prometheus(PrometheusServer(url), lambda: datetime.now(UTC)),
            "alertmanager": lambda: AlertmanagerApi(server, lambda: datetime.now(UTC)),
            "ping": lambda: PingUrl(lambda: url, seconds),
        }
        self.channel = builders[kind]()

    async def call(self) -> str:
        """Empty when the vendor's answer was a good one; what was said of it else. Raises SendError."""
        channel, message, claim = self.channel, a_message(), a_claim()
        if self.kind in ("pagerduty", "slack", "webhook"):
            await channel.send(channel.compose(message, claim), message, claim)
        elif self.kind == "changes":
            await channel.send(ChangeEvent("deploy", "api", AT, "api was deployed"))
        elif self.kind == "upload":
            await channel.illustrate(Illustration("t", "a", b"png" * 1000, None), {"channel": "C1", "ts": "1.2"})
        elif self.kind == "prometheus":
            answer = await channel.query(Query("up"), self.seconds)
            return answer.why if isinstance(answer, Failure) else ""
        elif self.kind == "alertmanager":
            answer = await channel.fetch(StateQuery(frozenset(), frozenset()))
            return answer.why if isinstance(answer, Unavailable) else ""
        else:
            return str(await channel.report_success())
        return ""

    async def recovers(self) -> None:
        """Comes back with the first good answer; on a busy machine one may come too late."""
        fault = "not yet asked"
        while fault:
            try:
                fault = await self.call()
            except SendError:
                await asyncio.sleep(0)

    async def fails(self) -> tuple[str, bool]:
        """What was said, and whether it may have arrived all the same."""
        if self.kind not in SENDERS:
            return await self.call() or pytest.fail("it was answered"), True
        with pytest.raises(SendError) as caught:
            await self.call()
        words = f"{caught.value} {caught.value.detail}"
        assert caught.value.reason in (Reason.NETWORK, Reason.SERVER)
        assert not [secret for secret in SECRETS if secret in words]
        return caught.value.detail, caught.value.ambiguous

    async def close(self) -> None:
        if hasattr(self.channel, "close"):
            await self.channel.close()
