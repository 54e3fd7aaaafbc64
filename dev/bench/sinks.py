"""PagerDuty, Slack and a mail server that only count: `python -m dev.bench.sinks HTTP_PORT SMTP_PORT`.

Invariant: an arrival is noted when the vendor would have accepted it. Times are CLOCK_MONOTONIC, the same in all
processes. Far less than HTTP is spoken here (bodies with Content-Length only), so that the sinks cost little.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import defaultdict
from typing import cast

import uvloop

BENCH_ID = re.compile(rb"Bench(\d{7})")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
SLOW_SECONDS = 0.8
OFFERS = b"250-bench\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
REPLIES = {b"EHLO": OFFERS, b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


class Book:
    """Who arrived when. `arrivals[channel][id]` is (first time, count)."""

    def __init__(self) -> None:
        self.arrivals: dict[str, dict[int, tuple[float, int]]] = defaultdict(dict)
        self.refused: dict[str, list[float]] = defaultdict(list)
        self.edits = 0
        self.down = False

    def note(self, channel: str, body: bytes) -> None:
        found = BENCH_ID.search(body)
        key = int(found[1]) if found else -1
        first, count = self.arrivals[channel].get(key, (time.monotonic(), 0))
        self.arrivals[channel][key] = (first, count + 1)

    def refuses(self, channel: str) -> bool:
        if self.down:
            self.refused[channel].append(time.monotonic())
        return self.down

    def counts(self) -> dict[str, int]:
        return {channel: len(arrived) for channel, arrived in self.arrivals.items()}

    def everything(self) -> dict[str, object]:
        return {"arrivals": self.arrivals, "refused": self.refused, "edits": self.edits}


class HttpSink(asyncio.Protocol):
    def __init__(self, book: Book) -> None:
        self._book, self._buffer = book, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            path = head.split(b" ", 2)[1]
            if path.startswith(b"/prometheus/hang"):
                return
            later = SLOW_SECONDS if path.startswith(b"/prometheus/slow") else 0.0
            content = answer(self._book, path, body)
            if later:
                asyncio.get_running_loop().call_later(later, self._transport.write, content)
            else:
                self._transport.write(content)


def answer(book: Book, path: bytes, body: bytes) -> bytes:
    if path.startswith(b"/bench/"):
        return _control(book, path)
    if path.startswith(b"/prometheus/"):
        return _prometheus(path)
    if path.startswith(b"/v2/enqueue"):
        return _pagerduty(book, body)
    return _slack(book, path, body)


def _control(book: Book, path: bytes) -> bytes:
    if path in (b"/bench/down", b"/bench/up"):
        book.down = path == b"/bench/down"
    return _json(200, book.everything() if path == b"/bench/everything" else book.counts())


def _prometheus(path: bytes) -> bytes:
    if path.startswith(b"/prometheus/nonsense"):
        return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    now = time.time()
    if path.endswith(b"/query_range"):
        series = {"metric": {"pod": "api-0"}, "values": [[now - 60 * ago, "0.073"] for ago in range(180, 0, -1)]}
        return _json(200, {"status": "success", "data": {"resultType": "matrix", "result": [series]}})
    sample = {"metric": {}, "value": [now, "0.073"]}
    return _json(200, {"status": "success", "data": {"resultType": "vector", "result": [sample]}})


def _pagerduty(book: Book, body: bytes) -> bytes:
    if book.refuses("pagerduty"):
        return UNAVAILABLE
    if b'"resolve"' not in body and b'"acknowledge"' not in body:
        book.note("pagerduty", body)
    return _json(202, {"status": "success", "message": "Event processed", "dedup_key": "bench"})


def _slack(book: Book, path: bytes, body: bytes) -> bytes:
    if book.refuses("slack"):
        return UNAVAILABLE
    if path.startswith(b"/services/"):
        book.note("slack", body)
        return b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
    if b"chat.postMessage" in path and b"thread_ts" not in body:
        book.note("slack", body)
    else:
        book.edits += 1
    stamp = f"{time.time():.6f}"
    return _json(200, {"ok": True, "ts": stamp, "channel": "C0BENCH01", "messages": []})


def _json(code: int, content: object) -> bytes:
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {code} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class SmtpSink(asyncio.Protocol):
    def __init__(self, book: Book) -> None:
        self._book, self._buffer, self._in_data = book, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 bench ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take():
            pass

    def _take(self) -> bool:
        stop = b"\r\n.\r\n" if self._in_data else b"\r\n"
        taken, found, rest = self._buffer.partition(stop)
        if not found:
            return False
        self._buffer = rest
        self._mail(taken) if self._in_data else self._command(taken)
        return True

    def _mail(self, body: bytes) -> None:
        self._in_data = False
        self._book.note("email", body)
        self._transport.write(b"250 taken\r\n")

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"MAIL" and self._book.refuses("email"):
            self._transport.write(b"451 not now\r\n")
            return
        self._in_data = verb == b"DATA"
        self._transport.write(REPLIES.get(verb, b"250 ok\r\n"))
        if verb == b"QUIT":
            self._transport.close()


async def serve(http_port: int, smtp_port: int) -> None:
    loop, book = asyncio.get_running_loop(), Book()
    await loop.create_server(lambda: SmtpSink(book), "127.0.0.1", smtp_port, backlog=4096)
    server = await loop.create_server(lambda: HttpSink(book), "127.0.0.1", http_port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
