"""One connection and its requests. Waitress reads whole requests before a thread sees them, so that slow clients occupy
no thread; here a body is only buffered if the headers before it permit. A request whose answer comes later occupies
none either, and none at all when its body is small: it is handed in by the receiving thread, and answered by it.

A request whose body is dropped is answered at once. Then the connection is closed as RFC 9112, 9.6 requires: what the
client still sends is discarded for a while, as the client might miss the answer otherwise.
"""

from __future__ import annotations

import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask, WSGITask

from bridge.web import request_id
from bridge.web.bodies import NOTHING, UNREAD, WANTED, Unread, Wanted
from bridge.web.deferred import Later, begin
from bridge.web.room import SMALL, Upload

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from bridge.web.server import Edge

ANSWER = "bridge.answer"  #: the environ's key for what answers in the application's place

IDLE, IDLE_KNOWN = 30.0, 120.0  #: seconds without a request; longer for an authenticated source, which keeps it open
HEADER = 20.0  #: seconds for a request's line and headers
STALL = 30.0  #: seconds without progress in receiving a body or sending an answer
SLOWEST = 16 * 2**10  #: bytes a second of a body, after its first minute
#: Bytes of framing besides as many as there are of content: tiny chunks, long extensions and trailers cost far more
#: work than they carry.
FRAMES = 64 * 2**10
LINGER, LINGER_BYTES = 15.0, 64 * 2**20  #: how long, and how many bytes, are discarded after an early answer


class Incoming(HTTPRequestParser):  # type: ignore[misc]
    """A request being received."""

    body_rcv: Any
    unread: Unread | None = None
    upload: Upload | None = None
    wanted = NOTHING
    environ: dict[str, Any] | None = None
    answer: WSGIApplication | None = None  #: of one that defers, once its view has returned

    @property
    def at_once(self) -> bool:
        """Whether its view takes so little time that no other thread is worth it."""
        return self.wanted.defers and self.upload is not None and self.upload.size_bytes <= SMALL

    def __init__(self, adj: Any, connection: Connection) -> None:
        super().__init__(adj)
        self.began, self._connection = time.monotonic(), connection

    def received(self, data: bytes) -> int:
        in_header = self.body_rcv is None
        consumed: int = super().received(data)
        if self.completed and in_header:
            self.expect_continue = False  # no body follows; waitress would wait for one
        elif self.headers_finished and in_header:
            self._decide_by_headers()
        elif self.upload is not None:
            self._account(consumed)
        self._connection.early |= self.error is not None
        return len(data) if self._connection.early else consumed  # the rest would be parsed as another request

    def refuse(self, why: Unread) -> None:
        """Complete the request without its body, as the last one of its connection."""
        self.close()
        self.unread, self.body_rcv = why, None
        self.completed, self.expect_continue = True, False
        self.headers["CONNECTION"] = "close"
        self._connection.early = True

    def close(self) -> None:
        super().close()
        if self.upload is not None:
            self._connection.edge.room.leave(self.upload)

    def _decide_by_headers(self) -> None:
        wanted = self.wanted = self._connection.wanted(self)
        self._connection.known |= wanted.known
        if not wanted.most:
            self.refuse(Unread.UNWANTED)
        elif self.content_length > wanted.most:
            self.refuse(Unread.TOO_LARGE)
        else:
            self.upload = Upload(wanted.known, self._connection.lose_body)

    def _account(self, consumed: int) -> None:
        assert self.upload is not None
        size = self.body_rcv.__len__()
        if size > self.wanted.most or self.body_bytes_received > 2 * size + FRAMES:
            self.refuse(Unread.TOO_LARGE)
            return
        room = self._connection.edge.room
        for loser in room.grow(self.upload, consumed):
            if loser is self.upload:
                self.refuse(Unread.NO_ROOM)
            else:
                loser.give_up()
        if self.completed:
            room.complete(self.upload)


class Answering(WSGITask):  # type: ignore[misc]
    wrote_header: bool

    def get_environment(self) -> dict[str, Any]:
        """The same one for the decision by the headers, for the view, and for an answer that comes later."""
        request = self.request
        if request.environ is None:
            request.environ = super().get_environment()
        environ: dict[str, Any] = request.environ
        if request.completed:
            environ["wsgi.input"], environ[WANTED] = request.get_body_stream(), request.wanted
            if "CONTENT_LENGTH" in request.headers:  # that of chunks is only known when all have come
                environ["CONTENT_LENGTH"] = request.headers["CONTENT_LENGTH"]
        if request.unread:
            environ[UNREAD] = request.unread
        if request.answer is not None:
            environ[ANSWER] = request.answer
        return environ

    def write(self, data: bytes) -> None:
        """A whole answer at once: the client need not be woken for its headers alone."""
        if self.wrote_header or not self.complete or not self.has_body or self.content_length != len(data):
            super().write(data)
            return
        self.channel.write_soon(self.build_response_header() + data)
        self.wrote_header, self.content_bytes_written = True, len(data)


class Refusing(ErrorTask):  # type: ignore[misc]
    """Invalid HTTP never reaches the application, so it is logged here."""

    def execute(self) -> None:
        error, name = self.request.error, request_id.named(self.request.headers.get("X_REQUEST_ID", ""))
        why = f"{error.reason}: {error.body}"
        self.channel.edge.log("request_invalid", code=error.code, why=why, request_id=name)
        self.response_headers.append((request_id.HEADER, name))
        super().execute()


class Connection(HTTPChannel):  # type: ignore[misc]
    request: Any  #: the Incoming that is not complete yet
    task_class = Answering
    error_task_class = Refusing
    known = False  #: a request's headers authenticated the sender
    early = False  #: a request is answered before its body has arrived, which ends the connection
    linger_until: float | None = None

    def __init__(self, server: Any, *arguments: Any, **more: Any) -> None:
        self.edge: Edge = server.edge
        self.parser_class = partial(Incoming, connection=self)
        self.since = self.moved = time.monotonic()  #: of its last whole request, and of the last byte either way
        self._discarded = 0
        super().__init__(server, *arguments, **more)

    def wanted(self, request: Incoming) -> Wanted:
        return self.edge.wanted(Answering(self, request).get_environment())

    def lose_body(self) -> None:
        """Answer this request without its body, to free buffer space. Called by the receiving thread."""
        with self.requests_lock:
            request, self.request = self.request, None
            if request is None or self.will_close:
                return
            request.refuse(Unread.NO_ROOM)
            self.requests.append(request)
            if len(self.requests) == 1:
                self.server.add_task(self)

    def readable(self) -> bool:
        if self.socket is None:
            return False
        return not self.will_close if self.linger_until is not None else bool(super().readable())

    def writable(self) -> bool:
        if self.socket is None or (self.linger_until is not None and not self.will_close):
            return False
        return bool(super().writable())

    def handle_read(self) -> None:
        self.moved = time.monotonic()
        if self.linger_until is None:
            super().handle_read()
            self.edge.waiting.serve()
            return
        try:
            self._discarded += len(self.recv(self.adj.recv_bytes))
        except OSError:
            self.will_close = True
        if self._discarded > LINGER_BYTES:
            self.will_close = True

    def handle_write(self) -> None:
        if self.early and self.close_when_flushed and not self.will_close:
            self._flush_exception(self._flush_some)
            if self.connected and not self.total_outbufs_len:
                self._linger()
        else:
            super().handle_write()

    def service(self) -> None:
        """Answers the first request; if that can only be done later, this is called once more then."""
        if self._can_answer():
            super().service()
            self.since = time.monotonic()

    def _can_answer(self) -> bool:
        request = self.requests[0]
        if request.error or not request.wanted.defers or request.answer is not None or not self.connected:
            return True
        request.answer = begin(self.server.application, Answering(self, request).get_environment())
        if not isinstance(request.answer, Later):
            return True
        self.edge.waiting.add(self, request.answer)
        return False

    def handle_close(self) -> None:
        if self.request is not None:
            self.request.close()
        super().handle_close()

    def expired(self, now: float) -> bool:
        """Whether it timed out."""
        if self.linger_until is not None:
            return now > self.linger_until
        if self.total_outbufs_len:
            return now - self.moved > STALL
        if self.requests:
            return False
        if self.request is None:
            return now - self.since > (IDLE_KNOWN if self.known else IDLE)
        if not self.request.headers_finished:
            return bool(now - self.request.began > HEADER)
        return now - self.moved > STALL or self._too_slow(now)

    def add_channel(self, map: Any = None) -> None:
        super().add_channel(map)
        self.edge.connections.add(self)

    def del_channel(self, map: Any = None) -> None:
        super().del_channel(map)
        self.edge.connections.discard(self)

    def _flush_some(self, do_close: bool = True) -> bool:
        if super()._flush_some(do_close):
            self.moved = time.monotonic()
            return True
        return False

    def _too_slow(self, now: float) -> bool:
        seconds = now - self.request.began - 60
        return seconds > 0 and bool(self.request.body_bytes_received < seconds * SLOWEST)

    def _linger(self) -> None:
        self.linger_until = time.monotonic() + LINGER
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.will_close = True
