"""The server with its own edge, in this process: slow connections are closed, and no others."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from bridge.core.network.addresses import Address
from bridge.processes.listening import listen_on
from bridge.web import make_server, receiving, server
from bridge.web.server import Server
from tests.web.web_fakes import BODY, PLAIN, SOURCES, World

HEAD = b"POST /webhook/alertmanager HTTP/1.1\r\nHost: bridge\r\n"
RIGHT = b"Authorization: Bearer am-token\r\n"
Serve = Callable[..., int]
SOON = 0.3  #: seconds, for one limit at a time
LONG = 60.0


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A function that starts a server with the given limits and returns its port."""
    stops: list[tuple[Server, threading.Thread]] = []

    def serve(**limits: float) -> int:
        for name in ("IDLE", "IDLE_KNOWN", "HEADER", "STALL", "LINGER"):
            monkeypatch.setattr(receiving, name, limits.get(name, LONG))
        monkeypatch.setattr(server, "CHECK_EVERY", 0.05)
        world = World(PLAIN + SOURCES)
        running = make_server(world.app, listen_on(Address("127.0.0.1", 0)), lambda: world.settings, {})
        running.adj.asyncore_loop_timeout = 0.05
        thread = threading.Thread(target=_run, args=(running,), daemon=True)
        thread.start()
        stops.append((running, thread))
        return int(running.effective_port)

    yield serve
    for running, thread in stops:
        monkeypatch.setattr(running.edge, "accepts", _leave)
        thread.join(30)
        assert not thread.is_alive()


def _run(running: Server) -> None:
    running.run()
    for connection in list(running.edge.connections):
        connection.handle_close()
    running.close()


def _leave() -> None:
    raise SystemExit(0)


def connected(port: int) -> closing[socket.socket]:
    return closing(socket.create_connection(("127.0.0.1", port), timeout=30))


def ended(connection: socket.socket) -> bytes:
    """Waits until the server closes the connection; returns what it sent before."""
    text = b""
    while piece := connection.recv(65536):
        text += piece
    return text


def answered(connection: socket.socket) -> bytes:
    """One complete JSON answer."""
    text = b""
    while not text.endswith(b"}\n") and (piece := connection.recv(65536)):
        text += piece
    return text


def is_closed_while_it_drips(connection: socket.socket, piece: bytes) -> bool:
    try:
        for _ in range(1000):
            connection.sendall(piece)
            time.sleep(0.02)
    except OSError:
        return True
    return False


@pytest.mark.parametrize(
    ("limit", "sent"),
    [
        ("IDLE", b""),
        ("HEADER", HEAD),
        ("HEADER", b"POST"),
        ("STALL", HEAD + RIGHT + b"Content-Length: 100\r\n\r\n{"),
        ("STALL", HEAD + RIGHT + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"),
    ],
)
def test_an_idle_connection_is_closed(served: Serve, limit: str, sent: bytes) -> None:
    port = served(**{limit: SOON})
    with connected(port) as quiet, connected(port) as other:
        quiet.sendall(sent)
        assert ended(quiet) == b""
        if limit != "IDLE":
            other.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: bridge\r\n\r\n")
            assert answered(other).startswith(b"HTTP/1.1 200")


def test_a_connection_with_a_slow_header_is_closed(served: Serve) -> None:
    with connected(served(HEADER=SOON)) as slow:
        slow.sendall(HEAD)
        assert is_closed_while_it_drips(slow, b"X-A: b\r\n")


def test_a_source_may_be_idle_for_longer(served: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    port, request = served(), HEAD + RIGHT + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    with connected(port) as source, connected(port) as other:
        source.sendall(request)
        assert answered(source).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(receiving, "IDLE", SOON)
        assert ended(other) == b""
        source.sendall(request)
        assert answered(source).startswith(b"HTTP/1.1 200")


def test_a_connection_that_stays_open_after_an_early_answer_is_closed(served: Serve) -> None:
    with connected(served(LINGER=SOON)) as refused:
        refused.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1000)
        assert ended(refused).startswith(b"HTTP/1.1 401")
        assert is_closed_while_it_drips(refused, b"x" * 100)


def test_invalid_http_is_answered(served: Serve) -> None:
    port = served()
    for _ in range(20):
        with connected(port) as strange:
            strange.sendall(b"\x16\x03\x01 hello\r\n\r\n")
            assert ended(strange).startswith(b"HTTP/1.0 400")
    with connected(port) as long:
        long.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000)
        assert ended(long).startswith(b"HTTP/1.0 431")


@pytest.mark.parametrize(
    "request_lines",
    [
        b"Content-Length: x\r\n\r\n",
        b"Content-Length: -5\r\n\r\n",
        b"Transfer-Encoding: gzip\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_invalid_http_has_a_request_id_too(
    served: Serve, request_lines: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with connected(served()) as strange:
        strange.sendall(HEAD + RIGHT + b"X-Request-Id: mine-7\r\n" + request_lines)
        answer = ended(strange)
    assert b"mine-7" in answer.partition(b"\r\n\r\n")[0].partition(b"X-Request-Id: ")[2]
    assert "mine-7" in capsys.readouterr().out


def test_repeated_log_events_of_one_kind_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter, now = server.LogLimiter(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert [limiter.allowed("a") for _ in range(3)] == [0, None, None]
    assert limiter.allowed("b") == 0
    now[0] += server.QUIET
    assert [limiter.allowed("a") for _ in range(2)] == [2, None]
