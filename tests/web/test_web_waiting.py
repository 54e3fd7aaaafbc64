"""Webhooks whose commit takes its time, at the real server: none holds a thread, and each gets its own answer."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing

import pytest

from bridge.app.settings import load_text
from bridge.core.errors import StoreDown
from bridge.core.model import Group
from bridge.core.network.addresses import Address
from bridge.core.ports import Accepted, WebhookOutcome
from bridge.processes.listening import listen_on
from bridge.web import make_server, server, webhooks
from bridge.web.receiving import Incoming
from bridge.web.server import THREADS, Server
from tests.end_to_end.machines import eventually
from tests.web.web_fakes import BODY, ENVIRON, PLAIN, SOURCES, World

LARGE = BODY.replace(b'"receiver":"r"', b'"receiver":"%s"' % (b"r" * 100_000))
HEAD = b"POST /webhook/alertmanager HTTP/1.1\r\nHost: bridge\r\nAuthorization: Bearer am-token\r\n"
PAGES = 400
CHANGED = {
    "credential": PLAIN + 'sources: [{name: prod, tokens: ["${NEW}"]}]\n',
    "limit": PLAIN + SOURCES + "limits: {body: 100}\n",
}


def request_of(body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


REQUEST = request_of(BODY)


class SlowIntake:
    """A commit lasts until the test ends it."""

    def __init__(self) -> None:
        self.under_way: list[Future[Accepted]] = []

    def hand_in(self, group: Group) -> Future[Accepted]:
        self.under_way.append(Future())
        return self.under_way[-1]

    def commit(self) -> None:
        for number, each in enumerate(list(self.under_way), start=1):
            if not each.done():
                each.set_result(Accepted(number, WebhookOutcome.OPENED))


class Site:
    """A server in a thread of this process."""

    def __init__(self) -> None:
        self.world, self.intake = World(PLAIN + SOURCES), SlowIntake()
        self.world.intake.hand_in = self.intake.hand_in  # type: ignore[method-assign]
        self.server = make_server(self.world.app, listen_on(Address("127.0.0.1", 0)), lambda: self.world.settings, {})
        self.server.adj.asyncore_loop_timeout = 0.05
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.effective_port), timeout=30)

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(30)
        assert not self.thread.is_alive()

    def counted(self, outcome: str) -> float:
        value = self.world.metrics.registry.get_sample_value
        return value("bridge_webhooks_received_total", {"source": "prod", "outcome": outcome}) or 0.0

    def _run(self) -> None:
        running: Server = self.server
        accepts = running.edge.accepts

        def accepts_until_stopped() -> bool:
            if self.stopping.is_set():
                raise SystemExit(0)
            return accepts()

        running.edge.accepts = accepts_until_stopped  # type: ignore[method-assign]
        running.run()
        for connection in list(running.edge.connections):
            connection.handle_close()
        running.close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.intake.commit()
    site.stop()


def answer_to(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """The next answer on this connection, byte by byte, so that nothing of the one after it is taken."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, json.loads(answer.read() or "{}")


def waits_for(site: Site, count: int) -> None:
    eventually(lambda: len(site.intake.under_way) == count)


@pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
def test_posts_that_wait_hold_no_thread(site: Site, body: bytes) -> None:
    posts = THREADS * 3
    with ExitStack() as open_ones:
        connections = [open_ones.enter_context(closing(site.connect())) for _ in range(posts)]
        for connection in connections:
            connection.sendall(request_of(body))
        waits_for(site, posts)
        with closing(site.connect()) as probe:
            probe.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: bridge\r\n\r\n")
            assert answer_to(probe) == (200, {"healthy": True})
        site.intake.commit()
        numbers = [answer_to(connection)[1]["incident"] for connection in connections]
    assert sorted(map(str, numbers)) == sorted(map(str, range(1, posts + 1)))


def test_posts_on_one_connection_are_answered_in_their_order(site: Site) -> None:
    with closing(site.connect()) as connection:
        connection.sendall(REQUEST * 5)
        for number in range(1, 6):
            waits_for(site, number)
            site.intake.commit()
            assert answer_to(connection) == (200, {"incident": number, "outcome": "opened"})


def test_a_commit_that_takes_too_long_is_answered_503_and_never_answers_the_next_post(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PATIENCE", 0.1)
    with closing(site.connect()) as connection:
        connection.sendall(REQUEST)
        assert answer_to(connection)[0] == 503
        monkeypatch.setattr(webhooks, "PATIENCE", 60.0)
        connection.sendall(REQUEST)
        waits_for(site, 2)
        late, current = site.intake.under_way
        late.set_result(Accepted(8, WebhookOutcome.OPENED))
        with closing(site.connect()) as probe:  # the loop has gone round since
            probe.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: bridge\r\n\r\n")
            assert answer_to(probe)[0] == 200
        current.set_result(Accepted(9, WebhookOutcome.OPENED))
        assert answer_to(connection) == (200, {"incident": 9, "outcome": "opened"})


def test_a_commit_that_fails_is_answered_503(site: Site) -> None:
    with closing(site.connect()) as connection:
        connection.sendall(REQUEST)
        waits_for(site, 1)
        site.intake.under_way[0].set_exception(StoreDown("disk full"))
        status, body = answer_to(connection)
    assert (status, body["error"]) == (503, "the bridge cannot store this now: send it again")


def test_a_fault_while_answering_costs_no_other_request(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    for owner, name, code in ((site.world.metrics, "accepted", 503), (Incoming, "close", 200)):
        with monkeypatch.context() as faulty, closing(site.connect()) as connection:
            faulty.setattr(owner, name, fail)
            before = len(site.intake.under_way)
            connection.sendall(REQUEST)
            waits_for(site, before + 1)
            site.intake.commit()
            assert answer_to(connection)[0] == code
        with closing(site.connect()) as connection:
            connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: bridge\r\n\r\n")
            assert answer_to(connection)[0] == 200


def test_what_was_stored_counts_although_its_sender_has_gone(site: Site) -> None:
    with closing(site.connect()) as connection:
        connection.sendall(REQUEST)
        waits_for(site, 1)
    site.intake.commit()
    eventually(lambda: site.counted("opened") == 1 and site.server.edge.room.size_bytes == 0)


def test_the_last_answers_are_sent_before_the_server_ends(site: Site) -> None:
    with closing(site.connect()) as connection:
        connection.sendall(REQUEST)
        waits_for(site, 1)
        site.stopping.set()
        threading.Timer(0.2, site.intake.commit).start()
        assert answer_to(connection)[0] == 200


def test_a_server_that_ends_waits_only_so_long(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LAST_ANSWERS", 0.1)
    with closing(site.connect()) as connection:
        connection.sendall(REQUEST)
        waits_for(site, 1)
        site.stop()
        assert connection.recv(100) == b""


def test_an_answer_to_one_who_does_not_read_holds_up_nobody(site: Site) -> None:
    """The pages before it fill the connection; its answer must wait for them, and no other for it."""
    page = b"GET /runbooks/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with closing(socket.socket()) as deaf, closing(site.connect()) as other:
        deaf.settimeout(60)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", int(site.server.effective_port)))
        deaf.sendall(page * PAGES + REQUEST)
        other.sendall(REQUEST)
        waits_for(site, 2)
        assert any(each.total_outbufs_len for each in site.server.edge.connections)
        site.intake.commit()
        assert answer_to(other)[0] == 200
        deaf.shutdown(socket.SHUT_WR)
        received = b""
        while b'"incident":' not in received[-500:]:
            received += deaf.recv(2**20)
    assert received.count(b"HTTP/1.1 200 OK") == PAGES + 1


@pytest.mark.parametrize("change", ["credential", "limit"])
def test_a_reload_while_the_body_arrives_counts_for_it(site: Site, change: str) -> None:
    with closing(site.connect()) as connection:
        connection.sendall(REQUEST[:-10])
        eventually(lambda: site.server.edge.room.size_bytes > 0)
        site.world.settings = load_text(CHANGED[change], {**ENVIRON, "NEW": "a-new-token"})
        connection.sendall(REQUEST[-10:])
        assert answer_to(connection)[0] == {"credential": 401, "limit": 413}[change]
